#include "operator/kube/event_series.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <iterator>

namespace sluice::kube {
namespace {

constexpr std::size_t kNamePartMax = 200;  // of the object's name; an Event's has 253 characters
constexpr std::size_t kBucketsMax = 1024;

std::string key_of(const EventFact& fact) {
  const char* const severity = fact.severity == op::EventSeverity::kWarning ? "W" : "N";
  return fact.uid + "\n" + severity + "\n" + fact.reason + "\n" + fact.message;
}

}  // namespace

std::optional<EventSeries::Write> EventSeries::note(const EventFact& fact, SteadyPoint now) {
  Series& series = series_of(key_of(fact), now);
  ++series.count;
  if (!take_token(fact.uid, now) || !take_common_token(now)) return std::nullopt;
  const bool is_new = series.name.empty();
  if (is_new) {
    std::array<char, 40> suffix{};
    std::snprintf(suffix.data(), suffix.size(), ".%016llx.%llx",
                  static_cast<unsigned long long>(process_),
                  static_cast<unsigned long long>(++names_));
    series.name = fact.about.name.substr(0, kNamePartMax) + suffix.data();
  }
  return Write{series.name, is_new, series.count};
}

void EventSeries::forget(const EventFact& fact) {
  const auto it = by_key_.find(key_of(fact));
  if (it != by_key_.end()) it->second->name.clear();
}

EventSeries::Series& EventSeries::series_of(const std::string& key, SteadyPoint now) {
  const auto it = by_key_.find(key);
  if (it != by_key_.end()) {
    series_.splice(series_.begin(), series_, it->second);
    Series& series = series_.front();
    if (now - series.began >= kSeriesAge) {
      series.name.clear();
      series.count = 0;
      series.began = now;
    }
    return series;
  }
  series_.push_front({key, "", 0, now});
  by_key_[key] = series_.begin();
  if (series_.size() > kSeriesMax) {
    by_key_.erase(series_.back().key);
    series_.pop_back();
  }
  return series_.front();
}

bool EventSeries::take_common_token(SteadyPoint now) {
  const double gained = to_seconds(now - common_.at) / to_seconds(kRefillOfAll);
  common_.tokens = std::min(kBurstOfAll, common_.tokens + gained);
  common_.at = now;
  if (common_.tokens < 1) return false;
  common_.tokens -= 1;
  return true;
}

bool EventSeries::take_token(const std::string& uid, SteadyPoint now) {
  const auto refill = [now](Bucket& bucket) {
    const double gained = to_seconds(now - bucket.at) / to_seconds(kRefill);
    bucket.tokens = std::min(kBurst, bucket.tokens + gained);
    bucket.at = now;
    return bucket.tokens >= kBurst;
  };
  if (buckets_.size() >= kBucketsMax) {
    for (auto it = buckets_.begin(); it != buckets_.end();) {
      it = refill(it->second) ? buckets_.erase(it) : std::next(it);
    }
    // So many objects in trouble at once: a fresh start costs a few Events more.
    if (buckets_.size() >= kBucketsMax) buckets_.clear();
  }
  Bucket& bucket = buckets_.try_emplace(uid, Bucket{kBurst, now}).first->second;
  refill(bucket);
  if (bucket.tokens < 1) return false;
  bucket.tokens -= 1;
  return true;
}

}  // namespace sluice::kube
