// What a load handed over, as one line a record and in its order.
#pragma once

#include <string>
#include <vector>

#include "broker/engine/groups.h"
#include "broker/engine/records.h"
#include "broker/engine/redrive.h"

namespace sluice::broker {

class RecordingVisitor final : public RecordVisitor {
 public:
  Status queue(QueueRecord record) override {
    return add("queue " + number(record.number) + " " + record.name.name);
  }
  Status schedule(ScheduleRecord record) override {
    return add("schedule " + number(record.queue) + " " + record.uid);
  }
  Status redrive(RedriveRecord record) override {
    return add("redrive " + number(record.queue) + " " + std::to_string(record.id.lo));
  }
  Status group(GroupRecord record) override {
    return add("group " + number(record.queue) + " " + std::to_string(record.id.lo));
  }
  Status job(const JobRecord& record, std::unique_ptr<JobExtras> extras) override {
    const std::string kind = record.state == api::JobState::kDead ? "dead " : "job ";
    return add(kind + number(record.queue) + " " + std::to_string(record.id.lo) +
               (extras ? " worker " + extras->worker : ""));
  }
  Status outcome(const FinishedRecord& record, std::unique_ptr<JobExtras>) override {
    return add("outcome " + number(record.queue) + " " + std::to_string(record.id.lo));
  }
  Status claim(ClaimRecord record) override {
    return add("claim " + number(record.queue) + " " + record.worker);
  }

  std::vector<std::string> seen;
  std::string refuse;  // the record that is answered with an error

 private:
  static std::string number(QueueNumber queue) {
    return std::to_string(static_cast<std::uint32_t>(queue));
  }
  Status add(std::string line) {
    if (line == refuse) return Error{ErrorCode::kCorruption, "refused " + line};
    seen.push_back(std::move(line));
    return Ok{};
  }
};

}  // namespace sluice::broker
