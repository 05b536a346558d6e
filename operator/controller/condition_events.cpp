#include "operator/controller/condition_events.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace sluice::op {
namespace {

struct BadTurn {
  std::string_view type;
  std::string_view status;
};

constexpr std::array<BadTurn, 5> kBadTurns = {{{"Ready", "False"},
                                               {"Accepted", "False"},
                                               {"TemplateValid", "False"},
                                               {"Progressing", "False"},
                                               {"Failed", "True"}}};

// Reasons a resource passes through without anybody having to act.
constexpr std::array<std::string_view, 4> kOnTheWay = {"Configuring", "EnqueuePaused", "Cancelled",
                                                       "QueueNotReady"};

bool is_bad(const Condition& condition) {
  const bool is_listed = std::any_of(kBadTurns.begin(), kBadTurns.end(), [&](const BadTurn& turn) {
    return turn.type == condition.type && turn.status == condition.status;
  });
  return is_listed &&
         std::find(kOnTheWay.begin(), kOnTheWay.end(), condition.reason) == kOnTheWay.end();
}

}  // namespace

void record_changes(EventRecorder& events, const Object& about,
                    const std::vector<Condition>& before, const std::vector<Condition>& after) {
  for (const Condition& condition : after) {
    if (!is_bad(condition)) continue;
    const Condition* old = find_condition(before, condition.type);
    // What stalls says more each time it is tried again; that is no news.
    const bool is_news =
        condition.type != "Progressing" && old != nullptr && old->message != condition.message;
    const bool is_new = old == nullptr || old->status != condition.status ||
                        old->reason != condition.reason || is_news;
    if (is_new) events.record(about, EventSeverity::kWarning, condition.reason, condition.message);
  }
}

}  // namespace sluice::op
