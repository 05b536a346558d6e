#include "common/api/decode.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <nlohmann/json.hpp>

namespace sluice::api {
namespace {

std::string payload_of(const std::string& yaml) {
  const auto decoded = decode_manifests(
      "apiVersion: sluice.dev/v1alpha1\nkind: Job\nmetadata: {name: j}\nspec:\n  queue: q\n"
      "  payload: " +
          yaml + "\n",
      "f");
  if (!decoded.errors.empty()) return to_string(decoded.errors[0]);
  return std::get<JobSpec>(decoded.manifests.at(0).spec).payload_json;
}

// As kubectl (sigs.k8s.io/yaml) turns YAML into JSON.
TEST(YamlTyping, ScalarsMeanWhatKubectlTakesThemFor) {
  struct Case {
    const char* yaml;
    const char* json;
  };
  const Case cases[] = {
      {"true", "true"},
      {"True", "true"},
      {"yes", "true"},
      {"On", "true"},
      {"y", "true"},
      {"no", "false"},
      {"OFF", "false"},
      {"n", "false"},
      {"tRue", "\"tRue\""},
      {"\"yes\"", "\"yes\""},
      {"'1'", "\"1\""},
      {"~", "null"},
      {"null", "null"},
      {"Null", "null"},
      {"nil", "\"nil\""},
      {"", "null"},
      {"1", "1"},
      {"-1", "-1"},
      {"+1", "1"},
      {"1_000", "1000"},
      {"010", "8"},
      {"0o10", "8"},
      {"0x1F", "31"},
      {"0b101", "5"},
      {"-0x10", "-16"},
      {"08", "8.0"},
      {"1.5", "1.5"},
      {".5", "0.5"},
      {"1.", "1.0"},
      {"1e3", "1000.0"},
      {"-1.5e-3", "-0.0015"},
      {"1.2.3", "\"1.2.3\""},
      {"12:30", "\"12:30\""},
      {"1e", "\"1e\""},

      {"2026-11-22", "\"2026-11-22\""},
      {"!!str 1", "\"1\""},
      {"!!float 1", "1.0"},
      {"9223372036854775807", "9223372036854775807"},
      {"-9223372036854775808", "-9223372036854775808"},
      {"18446744073709551615", "18446744073709551615"},
      {"18446744073709551616", "1.8446744073709552e+19"},
      {"-9223372036854775809", "-9.223372036854776e+18"},
      {"1e400", "\"1e400\""},
      {"1e-400", "0.0"},
      {"!secret x", "\"x\""},
      {"!secret 5", "\"5\""},
      {"[&b {x: 1, z: 2}, {<<: *b, x: 3}]", R"([{"x":1,"z":2},{"x":3,"z":2}])"},
      {"[&a {x: 1}, &b {x: 2, z: 2}, {<<: [*a, *b]}]", R"([{"x":1},{"x":2,"z":2},{"x":1,"z":2}])"},
      {"{1: a, yes: b, ~: c}", R"({"1":"a","null":"c","true":"b"})"},
      {"\"\\U0001F600\"", "\"\xF0\x9F\x98\x80\""},
  };

  for (const Case& c : cases) {
    SCOPED_TRACE(c.yaml);
    EXPECT_EQ(payload_of(c.yaml), c.json);
  }
}

TEST(DecodeSpec, FirstErrorCarriesItsField) {
  const auto spec = decode_queue_spec(R"({"scaling":{"minReplicas":-1}})", UnknownMembers::kRefuse);

  ASSERT_FALSE(spec);
  EXPECT_EQ(spec.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(spec.error().field, "spec.scaling.minReplicas");
}

TEST(DecodeSpec, UnknownMembersAreIgnoredOnRequest) {
  const char* const text = R"({"colour":1,"pause":{"later":2}})";

  EXPECT_TRUE(decode_queue_spec(text, UnknownMembers::kIgnore));
  EXPECT_FALSE(decode_queue_spec(text, UnknownMembers::kRefuse));
}

TEST(DecodeSpec, OperatorMaySendDueSoonSeconds) {
  const auto spec = decode_queue_spec(R"({"dueSoonSeconds":30})", UnknownMembers::kRefuse);

  ASSERT_TRUE(spec);
  EXPECT_EQ(spec->due_soon_seconds, 30);
}

// SURVIVAL 27: hostile JSON is refused with its field, never a crash.
TEST(DecodeSpec, BadJsonIsAnError) {
  struct Case {
    const char* text;
    const char* field;
  };
  const Case cases[] = {
      {"", ""},
      {"[]", "spec"},
      {"{\"queue\":\"q\"", ""},
      {R"({"queue":"q","payload":"\ud800"})", ""},
      {R"({"queue":"q","payload":{"n":[0,1e400]}})", "spec.payload.n[1]"},
      {R"({"queue":"q","payload":NaN})", ""},
      {R"({"queue":"q","payload":1,"payload":2})", "spec.payload"},
      {R"({"queue":"q","payload":1} x)", ""},
      {"{\"queue\":\"q\",\"payload\":\"\xff\"}", ""},
  };

  for (const Case& c : cases) {
    SCOPED_TRACE(c.text);
    const auto spec = decode_job_spec(c.text, UnknownMembers::kRefuse);
    ASSERT_FALSE(spec);
    EXPECT_EQ(spec.error().field, c.field) << spec.error().message;
  }
}

TEST(DecodeSpec, RetryPolicyStandsAlone) {
  const auto policy = decode_retry_policy(R"({"maxAttempts":0})", UnknownMembers::kRefuse, "retry");

  ASSERT_FALSE(policy);
  EXPECT_EQ(policy.error().field, "retry.maxAttempts");
}

TEST(DnsNames, FollowKubernetes) {
  EXPECT_TRUE(is_dns_label("a-1"));
  for (const char* const bad : {"", "-a", "a-", "A", "a.b", "a_b"}) {
    EXPECT_FALSE(is_dns_label(bad)) << bad;
  }
  EXPECT_TRUE(is_dns_subdomain("a.b-1"));
  for (const char* const bad : {"", ".a", "a.", "a..b"}) EXPECT_FALSE(is_dns_subdomain(bad)) << bad;
}

TEST(Encode, DefaultsAreLeftOut) {
  EXPECT_EQ(encode(QueueSpec{}), "{}");
  EXPECT_EQ(encode(RetryPolicy{}), "{}");
  EXPECT_EQ(encode(JobSpec{.queue = "q"}), R"({"queue":"q","payload":null})");
}

// --- decode(encode(x)) == x ---

int whole(int min, int max) {
  return *rc::gen::inRange(min, max + 1);
}

template <typename Make>
auto maybe(Make make) -> std::optional<decltype(make())> {
  if (!*rc::gen::arbitrary<bool>()) return std::nullopt;
  return make();
}

std::string word() {
  return *rc::gen::nonEmpty(rc::gen::container<std::string>(rc::gen::inRange('a', '{')));
}

std::string short_word() {
  return word().substr(0, 20);
}

std::optional<TimePoint> moment() {
  return maybe([] {
    return TimePoint{Duration{*rc::gen::inRange<std::int64_t>(0, 4'000'000'000'000'000)}};
  });
}

RetryPolicy any_retry() {
  RetryPolicy policy{.max_attempts = whole(1, 1000), .max_lease_losses = whole(0, 1000)};
  policy.backoff = {.initial_seconds = whole(0, 50),
                    .multiplier = whole(1, 100),
                    .max_seconds = whole(50, 604'800)};
  for (int i = whole(0, 3); i > 0; --i) {
    RetryRule rule{.action = static_cast<RetryAction>(whole(0, 2))};
    const int kind = whole(0, 2);
    if (kind == 0) rule.exit_codes = {whole(1, 255), whole(1, 255)};
    if (kind == 1) rule.http_statuses = {whole(100, 599)};
    if (kind == 2) rule.reasons = {short_word()};
    policy.rules.push_back(rule);
  }
  return policy;
}

WorkerSpec any_worker() {
  WorkerSpec worker{.concurrency = whole(1, 1000), .max_jobs_per_pod = whole(0, 5)};
  if (*rc::gen::arbitrary<bool>()) {
    worker.handler =
        ExecHandler{.command = {short_word(), *rc::gen::element<std::string>("", "-c", "x\ny")}};
  } else {
    const HttpBody body = whole(0, 1) == 1 ? HttpBody::kPayloadAndParents : HttpBody::kPayload;
    worker.handler =
        HttpHandler{.port = whole(1, 65'535), .path = "/" + short_word(), .body = body};
  }
  worker.template_json =
      maybe([] { return std::string(R"({"spec":{"containers":[{"name":")") + word() + "\"}]}}"; });
  worker.rollout.max_surge = {.value = whole(1, 100), .percent = *rc::gen::arbitrary<bool>()};
  worker.rollout.max_unavailable = {.value = whole(0, 100), .percent = *rc::gen::arbitrary<bool>()};
  worker.rollout.progress_deadline_seconds = whole(1, 1000);
  return worker;
}

PressureThreshold any_threshold(int base) {
  return {.backlog = maybe([&] { return std::int64_t{base + whole(0, 9)}; }),
          .oldest_seconds = maybe([&] { return std::int64_t{base + whole(0, 9)}; }),
          .bytes = maybe([&] { return std::int64_t{base + whole(0, 9)}; })};
}

void add_limits(QueueSpec& spec) {
  spec.dead_letter = {.retention_seconds = whole(1, 100), .max_jobs = whole(1, 100)};
  spec.rate_limit = maybe([] {
    return RateLimit{.limit = whole(1, 9), .period_seconds = whole(1, 9), .burst = whole(1, 9)};
  });
  spec.concurrency_limit = maybe([] {
    return ConcurrencyLimit{.max = whole(1, 9), .per_key = maybe([] { return whole(1, 9); })};
  });
  for (int i = whole(0, 3); i > 0; --i) spec.fairness_weights[short_word()] = whole(1, 1000);
  spec.circuit_breaker = maybe([] {
    return CircuitBreaker{.failure_percent = whole(1, 100),
                          .minimum_jobs = whole(1, 99),
                          .window_seconds = whole(1, 99),
                          .open_seconds = whole(1, 99)};
  });
  spec.backpressure = maybe([] {
    return Backpressure{
        .throttle = any_threshold(1), .reject = any_threshold(10), .resume_percent = whole(1, 100)};
  });
  spec.payload = {.max_bytes = whole(1, 1'048'576), .max_result_bytes = whole(1, 1'048'576)};
}

JobSpec any_job() {
  JobSpec spec{.queue = short_word(), .priority = whole(0, 9)};
  spec.payload_json =
      *rc::gen::element<std::string>("null", "1", "-2.5", "\"x\\ny\"", R"({"a":[1,{}]})");
  if (*rc::gen::arbitrary<bool>()) {
    spec.run_at = moment();
  } else {
    spec.delay_seconds = maybe([] { return whole(0, 100); });
  }
  spec.expires_at = moment();
  spec.tenant = *rc::gen::element<std::string>("", "acme");
  spec.key = *rc::gen::element<std::string>("", "k \"1\"");
  spec.labels = {{short_word(), ""}, {"a/b", short_word()}};
  spec.idempotency_key = *rc::gen::element<std::string>("", "once");
  spec.on_parent_failure = static_cast<ParentFailure>(whole(0, 1));
  spec.retry = maybe(any_retry);
  spec.timeout_seconds = maybe([] { return whole(1, 100); });
  spec.ttl_seconds_after_finished = maybe([] { return whole(0, 100); });
  spec.callback = maybe([] {
    return Callback{.url = "https://" + short_word(),
                    .secret_name = *rc::gen::element<std::string>("", "s")};
  });
  spec.suspend = *rc::gen::arbitrary<bool>();
  return spec;
}

template <typename Spec>
void expect_same(const Result<Spec>& decoded, const Spec& spec) {
  RC_LOG() << encode(spec) << (decoded ? "" : decoded.error().message);
  RC_ASSERT(static_cast<bool>(decoded));
  RC_ASSERT(*decoded == spec);
}

RC_GTEST_PROP(Encode, QueueSpecSurvives, ()) {
  QueueSpec spec{.replicas = maybe([] { return whole(0, 10'000); }), .retry = any_retry()};
  spec.worker = maybe(any_worker);
  spec.scaling_set = spec.worker || *rc::gen::arbitrary<bool>();
  if (spec.scaling_set) {
    spec.scaling = {.min_replicas = whole(0, 5),
                    .max_replicas = whole(5, 10'000),
                    .backlog_per_worker = whole(1, 9),
                    .drain_seconds = maybe([] { return whole(1, 9); }),
                    .idle_seconds = whole(0, 60),
                    .scale_up = {.max_pods = whole(1, 20), .period_seconds = whole(1, 9)},
                    .scale_down_stabilization_seconds = whole(0, 99)};
  }
  spec.timeout_seconds = whole(1, 604'800);
  spec.result_ttl_seconds = whole(0, 9);
  spec.aging_seconds = whole(0, 99);
  spec.pause = {.enqueue = *rc::gen::arbitrary<bool>(), .dispatch = *rc::gen::arbitrary<bool>()};
  spec.deletion_policy = static_cast<DeletionPolicy>(whole(0, 1));
  spec.due_soon_seconds = whole(0, 99);
  add_limits(spec);

  expect_same(decode_queue_spec(encode(spec), UnknownMembers::kRefuse), spec);
}

RC_GTEST_PROP(Encode, JobSpecSurvives, ()) {
  JobSpec spec = any_job();
  if (*rc::gen::arbitrary<bool>()) spec.depends_on = {"a", "b.c"};

  expect_same(decode_job_spec(encode(spec), UnknownMembers::kRefuse), spec);
}

RC_GTEST_PROP(Encode, ScheduleSpecSurvives, ()) {
  const ScheduleSpec spec{
      .schedule = "* * * * " + short_word(),
      .time_zone = *rc::gen::element<std::string>("UTC", "Europe/Berlin"),
      .concurrency_policy = static_cast<ConcurrencyPolicy>(whole(0, 3)),
      .starting_deadline_seconds = whole(1, 999),
      .catch_up = {.policy = static_cast<CatchUpPolicy>(whole(0, 2)), .max = whole(1, 9)},
      .jitter_seconds = whole(0, 9),
      .prewarm_seconds = whole(0, 9),
      .suspend = *rc::gen::arbitrary<bool>(),
      .history_limit = whole(0, 100),
      .job_template = any_job()};

  expect_same(decode_schedule_spec(encode(spec), UnknownMembers::kRefuse), spec);
}

RC_GTEST_PROP(DecodeManifests, NoTextCrashesIt, ()) {
  const auto text = *rc::gen::container<std::string>(
      rc::gen::elementOf(std::string("{}[]:,-&*!|>'\"# \n\ta0.<?~%@\\")));

  decode_manifests(text, "f");
  decode_manifests("a: &a " + text, "f");
}

}  // namespace
}  // namespace sluice::api
