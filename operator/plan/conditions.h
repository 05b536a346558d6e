// Conditions as Kubernetes keeps them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"

namespace sluice::op {

struct Condition {
  std::string type;
  std::string status;  // "True", "False", "Unknown"
  std::string reason;
  std::string message;
  TimePoint last_transition_time;
  std::int64_t observed_generation = 0;
  friend bool operator==(const Condition&, const Condition&) = default;
};

inline constexpr std::size_t kConditionMessageBytesMax = 1024;

// `wanted` with the transition times of `before` wherever the status has not changed; `now`
// elsewhere.
std::vector<Condition> merge_conditions(const std::vector<Condition>& before,
                                        std::vector<Condition> wanted, TimePoint now);

// The condition of that type; null when there is none. Valid as long as `conditions` is unchanged.
const Condition* find_condition(const std::vector<Condition>& conditions, std::string_view type);

bool is_true(const std::vector<Condition>& conditions, std::string_view type);

// At most `bytes_max` bytes of `text`, never ending inside a UTF-8 sequence.
std::string cut_text(std::string text, std::size_t bytes_max);

// "a, b, c"
std::string join_names(const std::vector<std::string>& parts);

// The earlier of two waits, none being for ever.
std::optional<Duration> earlier_wait(std::optional<Duration> a, std::optional<Duration> b);

// No reconcile is asked for sooner than this, whatever the arithmetic says: never a busy spin.
inline constexpr Duration kRequeueMin = std::chrono::milliseconds{100};

}  // namespace sluice::op
