#include "cli/local/condition_lines.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::local {
namespace {

using ::testing::ElementsAre;

TEST(ConditionLines, TellOfBadTurnsAndOfNoJobThatMayStillRun) {
  std::vector<std::string> lines;
  ConditionLines events([&](std::string line) { lines.push_back(std::move(line)); });
  op::Object queue;
  queue.key = {op::ObjectKind::kQueue, "default", "mail"};
  op::Object job;
  job.key = {op::ObjectKind::kJob, "default", "one"};

  events.record(queue, op::EventSeverity::kWarning, "Stalled", "pods fail to start");
  events.record(queue, op::EventSeverity::kNormal, "Scaled", "workers 0 to 1");
  events.record(job, op::EventSeverity::kWarning, "Dead", "exit status 1");
  events.record(job, op::EventSeverity::kWarning, "Rejected", "callback.url: must be a URL");

  EXPECT_THAT(lines, ElementsAre("Queue default/mail: Stalled: pods fail to start",
                                 "Job default/one: Rejected: callback.url: must be a URL"));
}

}  // namespace
}  // namespace sluice::local
