#include "cli/local/idle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "operator/controller/status_codec.h"

namespace sluice::local {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

op::Object job(std::vector<op::Condition> conditions) {
  op::Object object;
  object.key = {op::ObjectKind::kJob, "default", "j"};
  op::JobStatus status;
  status.conditions = std::move(conditions);
  object.status_json = op::encode(status);
  return object;
}

op::Condition condition(std::string type, std::string status) {
  return {.type = std::move(type),
          .status = std::move(status),
          .reason = "Because",
          .message = "of this",
          .last_transition_time = {},
          .observed_generation = 1};
}

std::pair<op::QueueRef, op::BrokerQueue> queue(api::QueueFigures figures) {
  op::BrokerQueue held;
  held.figures = figures;
  return {{"default", "mail"}, held};
}

TEST(Idle, OnlyJobsThatMayStillRunKeepItAlive) {
  struct Case {
    const char* name;
    api::QueueFigures figures;
    bool idle;
  };
  const Case cases[] = {
      {"nothing", {}, true},
      {"dead letters", {.dead = 7}, true},
      {"ready", {.ready = 1}, false},
      {"running", {.running = 1}, false},
      {"blocked", {.blocked = 1}, false},
      {"scheduled", {.scheduled = 1}, false},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(!work_left({}, {queue({}), queue(c.figures)}).has_value(), c.idle);
  }
}

TEST(Idle, AcceptedJobsMustShowTheirEnd) {
  struct Case {
    const char* name;
    std::vector<op::Condition> conditions;
    bool idle;
  };
  const Case cases[] = {
      {"never looked at", {}, false},
      {"broker away", {condition("Accepted", "Unknown")}, false},
      {"accepted", {condition("Accepted", "True")}, false},
      {"complete", {condition("Accepted", "True"), condition("Complete", "True")}, true},
      {"failed", {condition("Accepted", "True"), condition("Failed", "True")}, true},
      {"refused", {condition("Accepted", "False")}, true},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(!work_left({job(c.conditions)}, {}).has_value(), c.idle);
  }
}

TEST(Idle, JobsThatWereNeverTakenAreNamed) {
  EXPECT_THAT(jobs_not_accepted(
                  {job({condition("Accepted", "False")}), job({condition("Accepted", "True")})}),
              ElementsAre(AllOf(HasSubstr("default/j"), HasSubstr("Because: of this"))));
}

}  // namespace
}  // namespace sluice::local
