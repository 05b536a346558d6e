#include "broker/storage/extras_codec.h"

#include <algorithm>
#include <utility>

#include "broker/storage/enum_codes.h"

namespace sluice::broker {
namespace {

// Which members are present, in the order they follow the mask.
enum ExtrasBit : std::uint32_t {
  kHasLabels = 1u << 0,
  kHasRetry = 1u << 1,
  kHasTimeout = 1u << 2,
  kHasTtl = 1u << 3,
  kHasExpiresAt = 1u << 4,
  kHasSource = 1u << 5,
  kHasScheduleUid = 1u << 6,
  kHasScheduleTick = 1u << 7,
  kHasIdempotencyKey = 1u << 8,
  kHasIdempotencyContent = 1u << 9,
  kIsExternalId = 1u << 10,  // a fact of its own: nothing follows
  kHasLastSettlement = 1u << 11,
  kHasWorker = 1u << 12,
  kHasStartedAt = 1u << 13,
  kHasError = 1u << 14,
  kHasHistory = 1u << 15,
  kHasParents = 1u << 18,
  kRunsAfterFailedParents = 1u << 19,  // nothing follows
  kHasTenant = 1u << 20,
  kHasKey = 1u << 21,
  kHasKeyPosition = 1u << 22,
  kHasCallback = 1u << 23,
  kHasUniqueKey = 1u << 24,
  kHasGroup = 1u << 25,
};
constexpr std::uint32_t kExtrasBitsKnown =
    ((1u << 16) - 1) | kHasParents | kRunsAfterFailedParents | kHasTenant | kHasKey |
    kHasKeyPosition | kHasCallback | kHasUniqueKey | kHasGroup;

enum RunBit : std::uint8_t {
  kHasExitCode = 1u << 0,
  kHasHttpStatus = 1u << 1,
  kIsRetryNever = 1u << 2,  // of errors only
};

// The least a list element takes, for refusing counts that cannot be true before memory is
// reserved.
constexpr std::size_t kRuleBytesMin = 4;
constexpr std::size_t kRunBytesMin = 7;
constexpr std::size_t kIdBytes = 16;

std::uint32_t mask_of(const JobExtras& e) {
  std::uint32_t mask = 0;
  const auto set = [&mask](std::uint32_t bit, bool present) { mask |= present ? bit : 0; };
  set(kHasLabels, !e.labels.empty());
  set(kHasRetry, e.retry.has_value());
  set(kHasTimeout, e.timeout_seconds.has_value());
  set(kHasTtl, e.ttl_seconds_after_finished.has_value());
  set(kHasExpiresAt, e.expires_at.has_value());
  set(kHasSource, e.source.has_value());
  set(kHasScheduleUid, !e.schedule_uid.empty());
  set(kHasScheduleTick, e.schedule_tick.has_value());
  set(kHasIdempotencyKey, e.idempotency_key.has_value());
  set(kHasIdempotencyContent, e.idempotency_content.has_value());
  set(kIsExternalId, e.external_id);
  set(kHasLastSettlement, e.last_settlement.has_value());
  set(kHasWorker, !e.worker.empty());
  set(kHasStartedAt, e.started_at.has_value());
  set(kHasError, e.error.has_value());
  set(kHasHistory, !e.history.empty());
  set(kHasParents, !e.depends_on.empty());
  set(kRunsAfterFailedParents, e.on_parent_failure == api::ParentFailure::kRun);
  set(kHasTenant, !e.tenant.empty());
  set(kHasKey, !e.key.empty());
  set(kHasKeyPosition, e.key_position != 0);
  set(kHasCallback, e.callback.has_value());
  set(kHasUniqueKey, !e.unique_key.empty());
  set(kHasGroup, e.group.has_value());
  return mask;
}

void write_ints(const std::vector<int>& values, ByteWriter& out) {
  out.varint(values.size());
  for (const int value : values) out.svarint(value);
}

std::vector<int> read_ints(ByteReader& in, const char* what) {
  std::vector<int> values(in.count(1, what));
  for (int& value : values) value = in.svarint32(what);
  return values;
}

// What is present but empty would have two encodings.
std::string read_present_text(ByteReader& in, const char* what) {
  std::string text(in.text(what));
  if (text.empty()) in.fail(what, "is empty");
  return text;
}

void write_retry(const api::RetryPolicy& retry, ByteWriter& out) {
  out.svarint(retry.max_attempts);
  out.svarint(retry.max_lease_losses);
  out.svarint(retry.backoff.initial_seconds);
  out.svarint(retry.backoff.multiplier);
  out.svarint(retry.backoff.max_seconds);
  out.varint(retry.rules.size());
  for (const api::RetryRule& rule : retry.rules) {
    write_ints(rule.exit_codes, out);
    write_ints(rule.http_statuses, out);
    out.varint(rule.reasons.size());
    for (const std::string& reason : rule.reasons) out.text(reason);
    write_code(kRetryActionCodes, rule.action, out);
  }
}

api::RetryPolicy read_retry(ByteReader& in) {
  api::RetryPolicy retry;
  retry.max_attempts = in.svarint32("retry maxAttempts");
  retry.max_lease_losses = in.svarint32("retry maxLeaseLosses");
  retry.backoff.initial_seconds = in.svarint32("retry backoff");
  retry.backoff.multiplier = in.svarint32("retry backoff");
  retry.backoff.max_seconds = in.svarint32("retry backoff");
  retry.rules.resize(in.count(kRuleBytesMin, "retry rules"));
  for (api::RetryRule& rule : retry.rules) {
    rule.exit_codes = read_ints(in, "retry exit codes");
    rule.http_statuses = read_ints(in, "retry HTTP statuses");
    rule.reasons.resize(in.count(1, "retry reasons"));
    for (std::string& reason : rule.reasons) reason = in.text("retry reason");
    rule.action = read_code(kRetryActionCodes, in, "retry action");
  }
  return retry;
}

void write_labels(const api::Labels& labels, ByteWriter& out) {
  out.varint(labels.size());
  for (const auto& [name, value] : labels) {
    out.text(name);
    out.text(value);
  }
}

api::Labels read_labels(ByteReader& in) {
  api::Labels labels;
  const std::size_t count = in.count(2, "labels");
  if (count == 0) in.fail("labels", "is empty");
  for (std::size_t i = 0; i < count && !in.failed(); ++i) {
    std::string name(in.text("label"));
    std::string value(in.text("label"));
    if (!labels.empty() && name <= labels.rbegin()->first) in.fail("labels", "is out of order");
    labels.emplace_hint(labels.end(), std::move(name), std::move(value));
  }
  return labels;
}

std::uint8_t numbers_mask(const std::optional<int>& exit_code,
                          const std::optional<int>& http_status) {
  return static_cast<std::uint8_t>((exit_code ? kHasExitCode : 0) |
                                   (http_status ? kHasHttpStatus : 0));
}

void write_error(const api::RunError& error, ByteWriter& out) {
  out.u8(static_cast<std::uint8_t>(numbers_mask(error.exit_code, error.http_status) |
                                   (error.retry_never ? kIsRetryNever : 0)));
  out.text(error.reason);
  out.text(error.message);
  if (error.exit_code) out.svarint(*error.exit_code);
  if (error.http_status) out.svarint(*error.http_status);
}

api::RunError read_error(ByteReader& in) {
  api::RunError error;
  const std::uint8_t mask = in.u8("error");
  if (mask > (kHasExitCode | kHasHttpStatus | kIsRetryNever)) in.fail("error", "is not known");
  error.reason = in.text("error reason");
  error.message = in.text("error message");
  if (mask & kHasExitCode) error.exit_code = in.svarint32("error exit code");
  if (mask & kHasHttpStatus) error.http_status = in.svarint32("error HTTP status");
  error.retry_never = (mask & kIsRetryNever) != 0;
  return error;
}

void write_history(const std::vector<Run>& history, ByteWriter& out) {
  out.varint(history.size());
  for (const Run& run : history) {
    out.u8(numbers_mask(run.exit_code, run.http_status));
    write_code(kRunEndCodes, run.end, out);
    write_time(run.started_at, out);
    write_time_after(run.started_at, run.finished_at, out);
    out.text(run.worker);
    out.text(run.reason);
    out.text(run.message);
    if (run.exit_code) out.svarint(*run.exit_code);
    if (run.http_status) out.svarint(*run.http_status);
  }
}

std::vector<Run> read_history(ByteReader& in) {
  std::vector<Run> history(in.count(kRunBytesMin, "history"));
  if (history.empty()) in.fail("history", "is empty");
  for (Run& run : history) {
    const std::uint8_t mask = in.u8("run");
    if (mask > (kHasExitCode | kHasHttpStatus)) in.fail("run", "is not known");
    run.end = read_code(kRunEndCodes, in, "run end");
    run.started_at = read_time(in, "run start");
    run.finished_at = read_time_after(run.started_at, in, "run finish");
    run.worker = in.text("run worker");
    run.reason = in.text("run reason");
    run.message = in.text("run message");
    if (mask & kHasExitCode) run.exit_code = in.svarint32("run exit code");
    if (mask & kHasHttpStatus) run.http_status = in.svarint32("run HTTP status");
  }
  return history;
}

}  // namespace

void write_uuid(const Uuid& id, ByteWriter& out) {
  out.fixed64(id.hi);
  out.fixed64(id.lo);
}

Uuid read_uuid(ByteReader& in, const char* what) {
  Uuid id;
  id.hi = in.fixed64(what);
  id.lo = in.fixed64(what);
  return id;
}

Hash128 read_hash(ByteReader& in, const char* what) {
  Hash128 hash{};
  const std::string_view bytes = in.raw(hash.size(), what);
  std::copy(bytes.begin(), bytes.end(), hash.begin());
  return hash;
}

void write_time(TimePoint time, ByteWriter& out) {
  out.svarint(time.time_since_epoch().count());
}

TimePoint read_time(ByteReader& in, const char* what) {
  return TimePoint{Duration{in.svarint(what)}};
}

// Unsigned, so that any two times have a distance.
void write_time_after(TimePoint base, TimePoint time, ByteWriter& out) {
  out.svarint(
      static_cast<std::int64_t>(static_cast<std::uint64_t>(time.time_since_epoch().count()) -
                                static_cast<std::uint64_t>(base.time_since_epoch().count())));
}

TimePoint read_time_after(TimePoint base, ByteReader& in, const char* what) {
  const auto distance = static_cast<std::uint64_t>(in.svarint(what));
  return TimePoint{Duration{static_cast<std::int64_t>(
      static_cast<std::uint64_t>(base.time_since_epoch().count()) + distance)}};
}

void write_extras(const JobExtras& e, ByteWriter& out) {
  out.varint(mask_of(e));
  if (!e.labels.empty()) write_labels(e.labels, out);
  if (e.retry) write_retry(*e.retry, out);
  if (e.timeout_seconds) out.svarint(*e.timeout_seconds);
  if (e.ttl_seconds_after_finished) out.svarint(*e.ttl_seconds_after_finished);
  if (e.expires_at) write_time(*e.expires_at, out);
  if (e.source) {
    out.text(e.source->kind);
    out.text(e.source->uid);
    out.text(e.source->name);
  }
  if (!e.schedule_uid.empty()) out.text(e.schedule_uid);
  if (e.schedule_tick) write_time(*e.schedule_tick, out);
  if (e.idempotency_key) out.raw(*e.idempotency_key);
  if (e.idempotency_content) out.raw(*e.idempotency_content);
  if (e.last_settlement) {
    out.fixed64(static_cast<std::uint64_t>(e.last_settlement->claim));
    write_code(kOutcomeCodes, e.last_settlement->outcome, out);
  }
  if (!e.worker.empty()) out.text(e.worker);
  if (e.started_at) write_time(*e.started_at, out);
  if (e.error) write_error(*e.error, out);
  if (!e.history.empty()) write_history(e.history, out);
  if (!e.depends_on.empty()) {
    out.varint(e.depends_on.size());
    for (const JobId& id : e.depends_on) write_uuid(id, out);
  }
  if (!e.tenant.empty()) out.text(e.tenant);
  if (!e.key.empty()) out.text(e.key);
  if (e.key_position != 0) out.svarint(e.key_position);
  if (e.callback) {
    out.text(e.callback->url);
    out.text(e.callback->secret_name);
  }
  if (!e.unique_key.empty()) out.text(e.unique_key);
  if (e.group) write_uuid(*e.group, out);
}

std::unique_ptr<JobExtras> read_extras(ByteReader& in) {
  auto e = std::make_unique<JobExtras>();
  const std::uint32_t mask = in.varint32("extras");
  if (mask & ~kExtrasBitsKnown) in.fail("extras", "is not known");
  if (in.failed()) return e;
  if (mask & kHasLabels) e->labels = read_labels(in);
  if (mask & kHasRetry) e->retry = read_retry(in);
  if (mask & kHasTimeout) e->timeout_seconds = in.svarint32("timeout");
  if (mask & kHasTtl) e->ttl_seconds_after_finished = in.svarint32("ttl");
  if (mask & kHasExpiresAt) e->expires_at = read_time(in, "expiry");
  if (mask & kHasSource) {
    JobSource& source = e->source.emplace();
    source.kind = in.text("source kind");
    source.uid = in.text("source uid");
    source.name = in.text("source name");
  }
  if (mask & kHasScheduleUid) e->schedule_uid = read_present_text(in, "schedule uid");
  if (mask & kHasScheduleTick) e->schedule_tick = read_time(in, "schedule tick");
  if (mask & kHasIdempotencyKey) e->idempotency_key = read_hash(in, "idempotency key");
  if (mask & kHasIdempotencyContent) e->idempotency_content = read_hash(in, "idempotency content");
  e->external_id = (mask & kIsExternalId) != 0;
  if (mask & kHasLastSettlement) {
    LastSettlement& last = e->last_settlement.emplace();
    last.claim = ClaimNumber{in.fixed64("last settlement")};
    last.outcome = read_code(kOutcomeCodes, in, "last settlement");
  }
  if (mask & kHasWorker) e->worker = read_present_text(in, "worker");
  if (mask & kHasStartedAt) e->started_at = read_time(in, "start");
  if (mask & kHasError) e->error = read_error(in);
  if (mask & kHasHistory) e->history = read_history(in);
  if (mask & kHasParents) {
    e->depends_on.resize(in.count(kIdBytes, "parents"));
    for (JobId& id : e->depends_on) id = read_uuid(in, "parent");
    if (e->depends_on.empty()) in.fail("parents", "is empty");
    if (e->depends_on.size() > kParentsMax) in.fail("parents", "is out of range");
  }
  if (mask & kRunsAfterFailedParents) e->on_parent_failure = api::ParentFailure::kRun;
  if (mask & kHasTenant) e->tenant = read_present_text(in, "tenant");
  if (mask & kHasKey) e->key = read_present_text(in, "key");
  if (mask & kHasKeyPosition) {
    e->key_position = in.svarint("key position");
    if (e->key_position == 0) in.fail("key position", "is zero");
  }
  if (mask & kHasCallback) {
    api::Callback& callback = e->callback.emplace();
    callback.url = in.text("callback");
    callback.secret_name = in.text("callback secret");
  }
  if (mask & kHasUniqueKey) e->unique_key = read_present_text(in, "unique key");
  if (mask & kHasGroup) e->group = read_uuid(in, "group");
  return e;
}

}  // namespace sluice::broker
