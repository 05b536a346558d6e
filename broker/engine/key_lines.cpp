#include "broker/engine/key_lines.h"

#include <algorithm>

#include "common/base/check.h"

namespace sluice::broker {

std::optional<TimePoint> KeyLines::oldest() const {
  if (by_age_.empty()) return std::nullopt;
  return by_age_.begin()->first;
}

void KeyLines::enter(Slot slot, TenantOrder& order, JobTable& jobs) {
  const auto at = lines_.try_emplace(jobs[slot].extras->key).first;
  park(at->second, slot, jobs);
  move_up(at, order, jobs);
}

void KeyLines::take_out(Slot slot, TenantOrder& order, JobTable& jobs) {
  const auto at = lines_.find(jobs[slot].extras->key);
  CHECK(at != lines_.end());
  Line& line = at->second;
  if (line.front == slot) {
    order.erase(slot, jobs);
    line.front = kNoSlot;
  } else {
    unpark(line, slot, jobs);
  }
}

void KeyLines::count(const std::string& key, int running, int backing_off, TenantOrder& order,
                     JobTable& jobs) {
  const auto at = lines_.try_emplace(key).first;
  at->second.running += running;
  at->second.backing_off += backing_off;
  CHECK(at->second.running >= 0 && at->second.backing_off >= 0);
  move_up(at, order, jobs);
}

void KeyLines::park(Line& line, Slot slot, JobTable& jobs) {
  const Job& job = jobs[slot];
  // In ordered mode the priority does not matter within the line.
  if (limit_ == 1) {
    line.parked.push(slot, 0, job.extras->key_position, jobs);
  } else {
    line.parked.push(slot, job.priority, job.order_key, jobs);
  }
  ++parked_;
}

void KeyLines::unpark(Line& line, Slot slot, JobTable& jobs) {
  line.parked.erase(slot, limit_ == 1 ? 0 : jobs[slot].priority, jobs);
  --parked_;
}

bool KeyLines::goes_before(Slot a, Slot b, const JobTable& jobs) const {
  const Job& x = jobs[a];
  const Job& y = jobs[b];
  if (limit_ == 1) return x.extras->key_position < y.extras->key_position;
  return x.order_key != y.order_key ? x.order_key < y.order_key : jobs.before(a, b);
}

void KeyLines::move_up(Lines::iterator at, TenantOrder& order, JobTable& jobs) {
  Line& line = at->second;
  const bool may_start =
      limit_ == 1 ? line.running == 0 && line.backing_off == 0 : line.running < limit_;
  const Slot best = line.parked.first(jobs);
  const bool overtaken =
      line.front != kNoSlot && best != kNoSlot && goes_before(best, line.front, jobs);
  if (line.front != kNoSlot && (!may_start || overtaken)) {
    order.erase(line.front, jobs);
    park(line, line.front, jobs);
    line.front = kNoSlot;
  }
  if (line.front == kNoSlot && may_start && best != kNoSlot) {
    unpark(line, best, jobs);
    order.push(best, jobs);
    line.front = best;
  }

  note(line, jobs);
  const bool is_needed =
      line.front != kNoSlot || !line.parked.empty() || line.running > 0 || line.backing_off > 0;
  if (!is_needed) lines_.erase(at);
}

// Brings what is known of all lines in step with this one.
void KeyLines::note(Line& line, const JobTable& jobs) {
  const std::optional<TimePoint> oldest = line.parked.oldest(jobs);
  if (oldest != line.oldest) {
    if (line.oldest) by_age_.erase({*line.oldest, &line});
    if (oldest) by_age_.insert({*oldest, &line});
    line.oldest = oldest;
  }
  const int beside_front = limit_ - line.running - (line.front == kNoSlot ? 0 : 1);
  const std::size_t startable =
      limit_ == 1
          ? 0
          : std::min(line.parked.size(), static_cast<std::size_t>(std::max(0, beside_front)));
  startable_ += startable - line.startable;
  line.startable = startable;
}

}  // namespace sluice::broker
