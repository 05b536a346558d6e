// An engine with a clock and a record book, and the verbs its tests are written in.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "broker/engine/engine.h"
#include "tests/support/manual_clock.h"
#include "tests/unit/broker/engine/record_book.h"

namespace sluice::broker::testing {

using namespace std::chrono_literals;
using api::JobState;
using api::Outcome;

class EngineTest : public ::testing::Test {
 protected:
  EngineTest() { configure({}); }

  Now now() const { return clock_.now(); }

  void configure(const api::QueueSpec& spec, const QueueName& queue = kMail) {
    ASSERT_TRUE(engine_->configure({queue, spec, {}, {}}, now(), book_));
  }

  Result<Enqueued> try_enqueue(NewJob job = {}, const Lookup& lookup = {},
                               const QueueName& queue = kMail) {
    if (job.payload.empty()) job.payload = "{}";
    return engine_->enqueue(queue, std::move(job), lookup, now(), book_);
  }
  JobId enqueue(NewJob job = {}) {
    const Result<Enqueued> done = try_enqueue(std::move(job));
    EXPECT_TRUE(done) << done.error().message;
    return done ? done->id : JobId{};
  }

  ClaimRequest request(const std::string& worker = "w", int max = 1) const {
    return {kMail, worker, worker + "-uid", max};
  }
  ClaimGrant claim(const std::string& worker = "w", int max = 1) {
    Result<ClaimGrant> grant = engine_->claim(request(worker, max), now(), book_);
    EXPECT_TRUE(grant);
    return grant ? *grant : ClaimGrant{};
  }
  std::vector<JobId> claimed(int max = 100) {
    std::vector<JobId> ids;
    for (const Granted& job : claim("w", max).jobs) ids.push_back(job.id);
    return ids;
  }

  Status settle(JobId id, ClaimNumber lease, Outcome outcome, api::RunError error = {},
                std::optional<int> retry_after = {}, std::string result = "null") {
    SettleRequest request{kMail, id, lease, outcome, {}, {}, retry_after};
    if (outcome == Outcome::kSucceeded) request.result_json = std::move(result);
    if (outcome == Outcome::kFailed) request.error = std::move(error);
    return engine_->settle(std::move(request), now(), book_);
  }
  // Claims the only ready job and fails it.
  void fail_next(api::RunError error = exit_code(1), std::optional<int> retry_after = {}) {
    const ClaimGrant grant = claim();
    ASSERT_EQ(grant.jobs.size(), 1u);
    ASSERT_TRUE(settle(grant.jobs[0].id, grant.claim, Outcome::kFailed, error, retry_after));
  }

  static api::RunError exit_code(int code) {
    api::RunError error;
    error.reason = "ExitCode";
    error.message = "it broke";
    error.exit_code = code;
    return error;
  }

  api::LeaseStatus extend(JobId id, ClaimNumber lease, const std::string& worker = "w") {
    ExtendRequest request{kMail, worker, worker + "-uid", {{id, lease, {}}}, false, 1};
    const Result<ExtendReply> reply = engine_->extend(request, now(), book_);
    EXPECT_TRUE(reply);
    return reply ? reply->statuses.at(0) : api::LeaseStatus::kLost;
  }

  void advance(Duration d) {
    clock_.advance(d);
    while (engine_->advance(now(), book_)) {
    }
  }

  JobState state(JobId id) const {
    if (const auto view = engine_->find(kMail, id, now())) return view->state;
    for (const auto* family : {&book_.finished, &book_.outcomes}) {
      for (const auto& [key, kept] : *family) {
        if (key.second == id) return kept.record.state;
      }
    }
    ADD_FAILURE() << "no job " << to_string(id);
    return JobState::kBlocked;
  }
  JobView view(JobId id) const {
    auto found = engine_->find(kMail, id, now());
    EXPECT_TRUE(found);
    return found ? *found : JobView{};
  }
  api::QueueFigures figures() { return engine_->queue(kMail, now())->figures; }
  Effects effects() { return engine_->take_effects(now(), book_); }

  // As after kill -9: only the records are left.
  void restart() {
    engine_ = std::make_unique<Engine>(++boot_, 1);
    book_.load_into(*engine_);
    ASSERT_TRUE(engine_->finish_load(now(), book_));
  }

  inline static const QueueName kMail{"default", "mail"};
  sluice::testing::ManualClock clock_;
  RecordBook book_;
  std::uint32_t boot_ = 1;
  std::unique_ptr<Engine> engine_ = std::make_unique<Engine>(1, 1);
};

}  // namespace sluice::broker::testing
