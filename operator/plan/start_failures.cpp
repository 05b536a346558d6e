#include "operator/plan/start_failures.h"

#include <algorithm>
#include <utility>

namespace sluice::op {
namespace {

bool has_crashed(const PodFacts& pod) {
  const bool has_ended = pod.phase == PodPhase::kSucceeded || pod.phase == PodPhase::kFailed;
  return has_ended && gone_cause(pod) == "Crash";
}

std::string end_of(const PodFacts& pod) {
  if (!pod.end_message.empty()) return pod.end_message;
  if (pod.exit_code) return "exit code " + std::to_string(*pod.exit_code);
  return pod.end_reason;
}

}  // namespace

void StartFailures::observe(const std::string& template_hash, const std::vector<PodFacts>& pods,
                            TimePoint now) {
  if (template_hash != template_hash_) {
    *this = {};
    template_hash_ = template_hash;
  }
  std::set<std::string> present;
  const PodFacts* failed = nullptr;
  bool works = false;
  for (const PodFacts& pod : pods) {
    if (pod.template_hash != template_hash) continue;
    present.insert(pod.uid);
    if (pod.ready && seen_ready_.insert(pod.uid).second) works = true;
    const bool is_news = !seen_ready_.contains(pod.uid) && !counted_.contains(pod.uid);
    if (is_news && has_crashed(pod)) failed = &pod;
  }
  if (works) {
    count_ = 0;
    create_error_.clear();
    start_error_.clear();
  } else if (failed != nullptr) {
    count(now);
    start_error_ = "pod " + failed->name + ": " + end_of(*failed);
  }
  if (failed != nullptr) counted_.insert(present.begin(), present.end());
  const auto is_absent = [&](const std::string& uid) { return !present.contains(uid); };
  std::erase_if(seen_ready_, is_absent);
  std::erase_if(counted_, is_absent);
}

void StartFailures::refused(std::string error, TimePoint now) {
  count(now);
  create_error_ = std::move(error);
}

std::optional<TimePoint> StartFailures::not_before(int backoff_seconds_max) const {
  if (count_ == 0) return std::nullopt;
  constexpr int kDoublingsMax = 9;  // 2^9 s is above the maximum
  const int doublings = std::min(count_ - 1, kDoublingsMax);
  return last_at_ + std::chrono::seconds{std::min(1 << doublings, backoff_seconds_max)};
}

void StartFailures::count(TimePoint now) {
  ++count_;
  last_at_ = now;
}

}  // namespace sluice::op
