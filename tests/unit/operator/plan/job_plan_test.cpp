#include "operator/plan/job_plan.h"

#include <gtest/gtest.h>

#include <functional>

namespace sluice::op {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kNow{std::chrono::seconds{1'800'000'000}};

JobInput input_of() {
  JobInput input{.name = "j", .uid = "u", .generation = 3, .created_at = kNow};
  input.spec.emplace();
  input.spec->queue = "q";
  return input;
}

BrokerJob record(api::JobState state) {
  BrokerJob job{.id = "u", .state = state};
  if (state == api::JobState::kRunning) job.worker = "w";
  return job;
}

// Plans with the broker's record and stores the status.
JobPlan step(JobInput& input, std::optional<BrokerJob> job, TimePoint now = kNow) {
  input.broker_job = std::move(job);
  input.broker_job_known = true;
  JobPlan plan = plan_job(input, now);
  input.status_before = plan.status;
  return plan;
}

const Condition& condition(const JobPlan& plan, const char* type) {
  return *find_condition(plan.status.conditions, type);
}

TEST(JobPlan, SaysOnTheFirstVisitWhatItWaitsFor) {
  struct Case {
    const char* reason;
    const char* status;
    bool enqueues;
    std::function<void(JobInput&)> arrange;
  };
  const auto fails = [](ErrorCode code) {
    return [code](JobInput& i) { i.enqueue_error = Error{code, "said so"}; };
  };
  const Case cases[] = {
      {"Enqueuing", "Unknown", true, [](JobInput&) {}},
      {"Suspended", "False", false, [](JobInput& i) { i.spec->suspend = true; }},
      {"QueueNotFound", "False", false, [](JobInput& i) { i.queue_exists = false; }},
      {"BrokerUnavailable", "Unknown", false, [](JobInput& i) { i.broker_reachable = false; }},
      {"ParentNotFound", "False", false, [](JobInput& i) { i.parents = {{.name = "p"}}; }},
      {"ParentNotAccepted", "False", false,
       [](JobInput& i) { i.parents = {{.name = "p", .uid = "1"}}; }},
      {"DependencyCycle", "False", false,
       [](JobInput& i) {
         i.parents = {{.name = "p", .uid = "1"}};
         i.cycle = {"j", "p", "j"};
       }},
      {"InvalidSpec", "False", false, [](JobInput& i) { i.spec.reset(); }},
      {"QueuePaused", "False", true, fails(ErrorCode::kQueuePaused)},
      {"NamespaceFull", "False", true, fails(ErrorCode::kNamespaceFull)},
      {"Rejected", "False", false, fails(ErrorCode::kInvalidArgument)},
      {"BrokerUnavailable", "Unknown", true, fails(ErrorCode::kUnavailable)},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.reason);
    JobInput input = input_of();
    c.arrange(input);
    const JobPlan plan = plan_job(input, kNow);
    EXPECT_EQ(plan.enqueue, c.enqueues);
    EXPECT_EQ(condition(plan, "Accepted").reason, c.reason);
    EXPECT_EQ(condition(plan, "Accepted").status, c.status);
    EXPECT_EQ(condition(plan, "Accepted").observed_generation, 3);
    EXPECT_EQ(condition(plan, "Complete").status, "False");
    EXPECT_EQ(condition(plan, "Failed").status, "False");
  }
}

TEST(JobPlan, StatusMovesAtAcceptanceFirstRunAndEndOnly) {
  JobInput input = input_of();
  EXPECT_EQ(step(input, record(api::JobState::kReady)).status.state, "Ready");
  EXPECT_TRUE(is_true(input.status_before.conditions, "Accepted"));
  EXPECT_EQ(step(input, record(api::JobState::kRunning)).status.state, "Running");
  const auto running = input.status_before.conditions;

  EXPECT_EQ(step(input, record(api::JobState::kScheduled)).status.state, "Running");
  EXPECT_EQ(input.status_before.conditions, running);

  const JobPlan end = step(input, record(api::JobState::kSucceeded));
  EXPECT_EQ(condition(end, "Complete").status, "True");
  EXPECT_FALSE(end.acknowledge);  // not before the end stands in the status
  EXPECT_TRUE(step(input, record(api::JobState::kSucceeded)).acknowledge);
}

TEST(JobPlan, LostRecordIsNeverRunAgain) {
  JobInput input = input_of();
  step(input, record(api::JobState::kReady));
  input.broker_job.reset();
  input.broker_job_known = false;
  EXPECT_TRUE(plan_job(input, kNow).ask_broker);

  const JobPlan plan = step(input, std::nullopt);
  EXPECT_FALSE(plan.enqueue);
  EXPECT_EQ(condition(plan, "Failed").status, "True");
  EXPECT_EQ(condition(plan, "Failed").reason, "OutcomeUnknown");
  EXPECT_FALSE(step(input, std::nullopt).enqueue);
}

TEST(JobPlan, BrokerAwayChangesNothingOfAnAcceptedJob) {
  JobInput input = input_of();
  const JobStatus before = step(input, record(api::JobState::kReady)).status;
  input.broker_reachable = false;
  input.broker_job.reset();
  input.broker_job_known = false;
  const JobPlan plan = plan_job(input, kNow + 1h);
  EXPECT_EQ(plan.status.conditions, before.conditions);
  EXPECT_FALSE(plan.ask_broker || plan.enqueue || plan.cancel);
}

TEST(JobPlan, DeadAndCancelledAreFailedWithThatReason) {
  for (const auto state : {api::JobState::kDead, api::JobState::kCancelled}) {
    JobInput input = input_of();
    BrokerJob job = record(state);
    job.error_reason = "ExitCode";
    job.error_message = "no such file";
    const JobPlan plan = step(input, job);
    EXPECT_EQ(condition(plan, "Failed").status, "True");
    EXPECT_EQ(condition(plan, "Failed").reason, api::to_string(state));
    EXPECT_EQ(plan.status.last_error, "ExitCode: no such file");
  }
}

Error missing_parent() {
  return {ErrorCode::kNotFound, "there is no job 1 in this namespace", "dependsOn[0]"};
}

TEST(JobPlan, EnqueuesWithTheIdsOfItsParents) {
  JobInput input = input_of();
  input.parents = {{.name = "p", .uid = "1", .accepted = true},
                   {.name = "q", .uid = "2", .accepted = true, .end = JobParent::End::kComplete}};

  const JobPlan plan = plan_job(input, kNow);

  EXPECT_TRUE(plan.enqueue);
  EXPECT_EQ(plan.parent_ids, (std::vector<std::string>{"1", "2"}));
}

TEST(JobPlan, AParentThatTheBrokerForgotCountsAsItsResourceSays) {
  JobInput input = input_of();
  input.parents = {{.name = "p", .uid = "1", .accepted = true, .end = JobParent::End::kComplete},
                   {.name = "q", .uid = "2", .accepted = true}};
  input.enqueue_error = missing_parent();

  const JobPlan without = plan_job(input, kNow);
  EXPECT_TRUE(without.enqueue);
  EXPECT_EQ(without.parent_ids, std::vector<std::string>{"2"});
  EXPECT_EQ(condition(without, "Accepted").reason, "ParentNotFound");

  input.parents[0].end = JobParent::End::kFailed;
  const JobPlan failed = plan_job(input, kNow);
  EXPECT_FALSE(failed.enqueue);
  EXPECT_EQ(condition(failed, "Failed").status, "True");
  EXPECT_EQ(condition(failed, "Failed").reason, "ParentFailed");
  EXPECT_EQ(failed.status.state, "Dead");
  EXPECT_EQ(failed.status.completion_time, kNow);

  input.spec->on_parent_failure = api::ParentFailure::kRun;
  EXPECT_EQ(plan_job(input, kNow).parent_ids, std::vector<std::string>{"2"});
}

TEST(JobPlan, RedriveClearsTheEnd) {
  JobInput input = input_of();
  step(input, record(api::JobState::kDead));
  const JobPlan redriven = step(input, record(api::JobState::kReady));
  EXPECT_EQ(condition(redriven, "Failed").status, "False");
  EXPECT_FALSE(redriven.status.completion_time);
  EXPECT_FALSE(redriven.acknowledge);
  EXPECT_EQ(condition(step(input, record(api::JobState::kSucceeded)), "Complete").status, "True");

  // A report that was overtaken by the end changes nothing.
  EXPECT_EQ(step(input, record(api::JobState::kRunning)).status.state, "Succeeded");
}

TEST(JobPlan, ResultsAboveTheLimitAreLeftOut) {
  JobInput input = input_of();
  BrokerJob job = record(api::JobState::kSucceeded);
  job.result_json = std::string(kStatusResultBytesMax, '1');
  EXPECT_EQ(step(input, job).status.result_json.size(), kStatusResultBytesMax);

  JobInput other = input_of();
  job.result_json += '1';
  const JobPlan plan = step(other, job);
  EXPECT_TRUE(plan.status.result_truncated);
  EXPECT_EQ(plan.status.result_json, "");
}

TEST(JobPlan, TimeToLiveSparesDeadLetters) {
  struct Case {
    api::JobState state;
    bool removed;
  };
  for (const Case& c : {Case{api::JobState::kSucceeded, true},
                        Case{api::JobState::kCancelled, true}, Case{api::JobState::kDead, false}}) {
    SCOPED_TRACE(api::to_string(c.state));
    JobInput input = input_of();
    input.spec->ttl_seconds_after_finished = 60;
    EXPECT_FALSE(step(input, record(c.state)).remove);
    EXPECT_FALSE(step(input, record(c.state), kNow + 59s).remove);
    EXPECT_EQ(step(input, record(c.state), kNow + 60s).remove, c.removed);
    EXPECT_EQ(step(input, std::nullopt, kNow + 60s).remove, c.removed);
  }
}

TEST(JobPlan, DeletionCancelsWhatHasNotEnded) {
  struct Case {
    const char* name;
    std::optional<BrokerJob> job;
    bool known;
    bool cancels;
  };
  for (const Case& c :
       {Case{"running", record(api::JobState::kRunning), true, true},
        Case{"not asked", std::nullopt, false, true}, Case{"no record", std::nullopt, true, false},
        Case{"ended", record(api::JobState::kDead), true, false}}) {
    SCOPED_TRACE(c.name);
    JobInput input = input_of();
    input.deleting = true;
    input.broker_job = c.job;
    input.broker_job_known = c.known;
    const JobPlan plan = plan_job(input, kNow);
    EXPECT_EQ(plan.cancel, c.cancels);
    EXPECT_FALSE(plan.enqueue);
  }
}

}  // namespace
}  // namespace sluice::op
