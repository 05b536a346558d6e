#include "broker/engine/job_table.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <set>

namespace sluice::broker {
namespace {

RC_GTEST_PROP(JobTable, FindsExactlyWhatIsInIt, ()) {
  JobTable table;
  std::map<Uuid, Slot> model;
  const auto steps = *rc::gen::container<std::vector<std::pair<bool, std::uint8_t>>>(
      rc::gen::arbitrary<std::pair<bool, std::uint8_t>>());

  for (const auto& [insert, value] : steps) {
    const Uuid id{value, 0};
    if (insert && !model.contains(id)) {
      model[id] = table.insert(id);
    } else if (!insert && model.contains(id)) {
      table.erase(model[id]);
      model.erase(id);
    }
    RC_ASSERT(table.size() == model.size());
    for (int v = 0; v < 256; v += 17) {
      const Uuid probe{static_cast<std::uint64_t>(v), 0};
      RC_ASSERT(table.find(probe) == (model.contains(probe) ? model[probe] : kNoSlot));
    }
  }
}

TEST(JobTable, KeepsItsSlotsWhileItGrows) {
  JobTable table;
  IdSource ids(1);
  std::map<Uuid, Slot> slots;
  for (int i = 0; i < 10'000; ++i) {
    const Uuid id = ids.next(TimePoint{Duration{i}});
    slots[id] = table.insert(id);
  }

  for (const auto& [id, slot] : slots) EXPECT_EQ(table.find(id), slot);
  std::size_t seen = 0;
  table.for_each([&](Slot) { ++seen; });
  EXPECT_EQ(seen, slots.size());
}

TEST(SlotHeap, GivesOutTheSmallestKeyWhateverIsTakenOut) {
  rc::check([] {
    JobTable table;
    SlotHeap<JobTable> heap;
    std::set<std::pair<std::int64_t, Slot>> model;
    std::uint64_t next = 0;
    const auto steps = *rc::gen::arbitrary<std::vector<std::pair<std::uint8_t, std::int8_t>>>();
    for (const auto& [what, key] : steps) {
      if (what % 3 != 0 || model.empty()) {
        const Slot slot = table.insert(Uuid{++next, 0});
        heap.push(slot, key, table);
        model.insert({key, slot});
      } else if (what % 2 == 0) {
        const auto victim = std::next(model.begin(), what % model.size());
        heap.erase(victim->second, table);
        model.erase(victim);
      } else {
        RC_ASSERT(heap.pop(table) == model.begin()->second);
        model.erase(model.begin());
      }
      RC_ASSERT(heap.size() == model.size());
      if (!model.empty()) RC_ASSERT(heap.top_key() == model.begin()->first);
    }
  });
}

}  // namespace
}  // namespace sluice::broker
