// Records for the tests of this folder: random ones, and comparison of every member.
#pragma once

#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "broker/engine/records.h"
#include "gtest/gtest.h"
#include "rapidcheck.h"

namespace sluice::broker {

inline TimePoint any_time() {
  return TimePoint{Duration{*rc::gen::arbitrary<std::int64_t>()}};
}
inline Uuid any_uuid() {
  return {*rc::gen::arbitrary<std::uint64_t>(), *rc::gen::arbitrary<std::uint64_t>()};
}
inline std::string any_text() {
  return *rc::gen::arbitrary<std::string>();
}
template <typename T>
T any() {
  return *rc::gen::arbitrary<T>();
}
template <typename T>
T any_of(std::vector<T> values) {
  return *rc::gen::elementOf(std::move(values));
}
template <typename Make>
auto maybe(Make make) -> std::optional<decltype(make())> {
  if (!any<bool>()) return std::nullopt;
  return make();
}
inline Hash128 any_hash() {
  Hash128 hash{};
  for (auto& byte : hash) byte = any<std::uint8_t>();
  return hash;
}

inline api::JobState any_state() {
  return any_of<api::JobState>({api::JobState::kBlocked, api::JobState::kScheduled,
                                api::JobState::kReady, api::JobState::kRunning,
                                api::JobState::kSucceeded, api::JobState::kDead,
                                api::JobState::kCancelled});
}

inline api::RetryPolicy any_retry() {
  api::RetryPolicy retry;
  retry.max_attempts = any<int>();
  retry.max_lease_losses = any<int>();
  retry.backoff = {any<int>(), any<int>(), any<int>()};
  retry.rules.resize(*rc::gen::inRange<std::size_t>(0, 4));
  for (api::RetryRule& rule : retry.rules) {
    rule.exit_codes = any<std::vector<int>>();
    rule.http_statuses = any<std::vector<int>>();
    rule.reasons = any<std::vector<std::string>>();
    rule.action = any_of<api::RetryAction>(
        {api::RetryAction::kRetry, api::RetryAction::kDead, api::RetryAction::kIgnore});
  }
  return retry;
}

inline Run any_run() {
  return {.started_at = any_time(),
          .finished_at = any_time(),
          .end = any_of<RunEnd>({RunEnd::kSucceeded, RunEnd::kFailed, RunEnd::kReleased,
                                 RunEnd::kLeaseLost, RunEnd::kTimeout, RunEnd::kDisrupted}),
          .worker = any_text(),
          .reason = any_text(),
          .message = any_text(),
          .exit_code = maybe(any<int>),
          .http_status = maybe(any<int>)};
}

inline JobExtras any_extras() {
  JobExtras e;
  e.labels = any<std::map<std::string, std::string>>();
  e.tenant = any_text();
  e.key = any_text();
  e.key_position = any<std::int64_t>();
  e.retry = maybe(any_retry);
  e.timeout_seconds = maybe(any<int>);
  e.ttl_seconds_after_finished = maybe(any<int>);
  e.expires_at = maybe(any_time);
  e.source = maybe([] { return JobSource{any_text(), any_text(), any_text()}; });
  e.schedule_uid = any_text();
  e.schedule_tick = maybe(any_time);
  e.idempotency_key = maybe(any_hash);
  e.idempotency_content = maybe(any_hash);
  e.external_id = any<bool>();
  e.last_settlement = maybe([] {
    return LastSettlement{ClaimNumber{any<std::uint64_t>()},
                          any_of<api::Outcome>({api::Outcome::kSucceeded, api::Outcome::kFailed,
                                                api::Outcome::kReleased})};
  });
  e.worker = any_text();
  e.started_at = maybe(any_time);
  e.error = maybe([] {
    return api::RunError{any_text(), any_text(), maybe(any<int>), maybe(any<int>), any<bool>()};
  });
  e.depends_on.resize(*rc::gen::inRange<std::size_t>(0, 3));
  for (JobId& id : e.depends_on) id = any_uuid();
  e.on_parent_failure =
      any_of<api::ParentFailure>({api::ParentFailure::kDead, api::ParentFailure::kRun});
  e.unique_key = any_text();
  e.group = maybe(any_uuid);
  e.callback = maybe([] { return api::Callback{any_text(), any_text()}; });
  e.history.resize(*rc::gen::inRange<std::size_t>(0, 3));
  for (Run& run : e.history) run = any_run();
  return e;
}

inline JobRecord any_job(const JobExtras* extras) {
  return {.queue = QueueNumber{any<std::uint32_t>()},
          .id = any_uuid(),
          .state = any_state(),
          .priority = any<int>(),
          .attempts = any<std::uint32_t>(),
          .lease_losses = any<std::uint32_t>(),
          .releases = any<std::uint32_t>(),
          .ignored = any<std::uint32_t>(),
          .runs = any<std::uint32_t>(),
          .backing_off = any<bool>(),
          .cancel_requested = any<bool>(),
          .acknowledged = any<bool>(),
          .payload_bytes = any<std::uint32_t>(),
          .created_at = any_time(),
          .due_at = any_time(),
          .order_key = any<std::int64_t>(),
          .finished_at = maybe(any_time),
          .extras = extras};
}

inline FinishedRecord any_finished(const JobExtras* extras, std::string_view result_json) {
  return {.queue = QueueNumber{any<std::uint32_t>()},
          .id = any_uuid(),
          .state = any_state(),
          .priority = any<int>(),
          .attempts = any<std::uint32_t>(),
          .lease_losses = any<std::uint32_t>(),
          .releases = any<std::uint32_t>(),
          .created_at = any_time(),
          .due_at = any_time(),
          .finished_at = any_time(),
          .expires_at = any_time(),
          .cancel_requested = any<bool>(),
          .result_json = result_json,
          .extras = extras};
}

inline auto members(const Run& r) {
  return std::tie(r.started_at, r.finished_at, r.end, r.worker, r.reason, r.message, r.exit_code,
                  r.http_status);
}
inline auto members(const api::RunError& e) {
  return std::tie(e.reason, e.message, e.exit_code, e.http_status, e.retry_never);
}
inline bool same(const JobExtras& a, const JobExtras& b) {
  const auto plain = [](const JobExtras& e) {
    return std::tie(e.labels, e.tenant, e.key, e.key_position, e.retry, e.timeout_seconds,
                    e.ttl_seconds_after_finished, e.expires_at, e.source, e.schedule_uid,
                    e.schedule_tick, e.idempotency_key, e.idempotency_content, e.external_id,
                    e.last_settlement, e.worker, e.started_at, e.depends_on, e.on_parent_failure,
                    e.callback, e.unique_key, e.group);
  };
  return plain(a) == plain(b) && a.error.has_value() == b.error.has_value() &&
         (!a.error || members(*a.error) == members(*b.error)) &&
         std::equal(a.history.begin(), a.history.end(), b.history.begin(), b.history.end(),
                    [](const Run& x, const Run& y) { return members(x) == members(y); });
}
inline bool same_extras(const JobExtras* a, const JobExtras* b) {
  return (a == nullptr) == (b == nullptr) && (a == nullptr || same(*a, *b));
}
inline bool same(const JobRecord& a, const JobRecord& b) {
  const auto plain = [](const JobRecord& r) {
    return std::tie(r.queue, r.id, r.state, r.priority, r.attempts, r.lease_losses, r.releases,
                    r.ignored, r.runs, r.backing_off, r.cancel_requested, r.acknowledged,
                    r.payload_bytes, r.created_at, r.due_at, r.order_key, r.finished_at);
  };
  return plain(a) == plain(b) && same_extras(a.extras, b.extras);
}
inline bool same(const FinishedRecord& a, const FinishedRecord& b) {
  const auto plain = [](const FinishedRecord& r) {
    return std::tie(r.queue, r.id, r.state, r.priority, r.attempts, r.lease_losses, r.releases,
                    r.created_at, r.due_at, r.finished_at, r.expires_at, r.cancel_requested,
                    r.result_json);
  };
  return plain(a) == plain(b) && same_extras(a.extras, b.extras);
}
inline bool same(const ClaimRecord& a, const ClaimRecord& b) {
  const auto plain = [](const ClaimRecord& r) {
    return std::tie(r.number, r.queue, r.worker, r.instance, r.claimed_at);
  };
  return plain(a) == plain(b) &&
         std::equal(a.jobs.begin(), a.jobs.end(), b.jobs.begin(), b.jobs.end(),
                    [](const auto& x, const auto& y) {
                      return std::tie(x.id, x.run, x.deadline) == std::tie(y.id, y.run, y.deadline);
                    });
}
inline bool same(const QueueRecord& a, const QueueRecord& b) {
  const auto plain = [](const QueueRecord& r) {
    return std::tie(r.number, r.name, r.spec, r.uid, r.generation, r.retained, r.released_uids,
                    r.pause_override, r.drains);
  };
  return plain(a) == plain(b);
}

}  // namespace sluice::broker
