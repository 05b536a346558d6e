#include "operator/plan/conditions.h"

#include <algorithm>

namespace sluice::op {

std::vector<Condition> merge_conditions(const std::vector<Condition>& before,
                                        std::vector<Condition> wanted, TimePoint now) {
  for (Condition& condition : wanted) {
    condition.message = cut_text(std::move(condition.message), kConditionMessageBytesMax);
    const Condition* old = find_condition(before, condition.type);
    const bool same_status = old != nullptr && old->status == condition.status;
    condition.last_transition_time = same_status ? old->last_transition_time : now;
  }
  return wanted;
}

const Condition* find_condition(const std::vector<Condition>& conditions, std::string_view type) {
  const auto found = std::find_if(conditions.begin(), conditions.end(),
                                  [&](const Condition& c) { return c.type == type; });
  return found == conditions.end() ? nullptr : &*found;
}

bool is_true(const std::vector<Condition>& conditions, std::string_view type) {
  const Condition* condition = find_condition(conditions, type);
  return condition != nullptr && condition->status == "True";
}

std::string cut_text(std::string text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  std::size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  text.resize(end);
  return text;
}

std::string join_names(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) {
    if (!text.empty()) text += ", ";
    text += part;
  }
  return text;
}

std::optional<Duration> earlier_wait(std::optional<Duration> a, std::optional<Duration> b) {
  if (!a) return b;
  if (!b) return a;
  return std::min(*a, *b);
}

}  // namespace sluice::op
