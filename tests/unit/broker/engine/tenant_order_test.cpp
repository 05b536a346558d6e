#include "broker/engine/tenant_order.h"

#include <rapidcheck/gtest.h>

#include <map>

#include "tests/unit/broker/engine/engine_fixture.h"

namespace sluice::broker::testing {
namespace {

// An order with jobs of its own; ids are numbered, and a job's order key is the time it is Ready.
class Orders {
 public:
  Slot add(const std::string& tenant, int ready_at, unsigned priority = 5) {
    const Slot slot = jobs.insert(Uuid{++last_id_, 0});
    Job& job = jobs[slot];
    job.priority = priority & 15u;
    job.due_at = TimePoint{Duration{ready_at}};
    job.order_key = ready_at - 100 * static_cast<int>(priority);
    if (!tenant.empty()) job.make_extras().tenant = tenant;
    order.push(slot, jobs);
    return slot;
  }
  std::string tenant_of(Slot slot) const {
    return jobs[slot].extras ? jobs[slot].extras->tenant : std::string();
  }
  void remove(Slot slot) {
    order.erase(slot, jobs);
    jobs.erase(slot);
  }
  // Starts the next job; whose it was.
  std::string start(const TenantOrder::Weights& weights = {}) {
    const Slot slot = order.next(jobs);
    if (slot == kNoSlot) return "nobody";
    order.spend_turn(weights);
    std::string tenant = tenant_of(slot);
    remove(slot);
    return tenant;
  }

  JobTable jobs;
  TenantOrder order;

 private:
  std::uint64_t last_id_ = 0;
};

TEST(TenantOrder, TenantsTakeTurnsByTheirWeight) {
  Orders orders;
  for (int i = 0; i < 10; ++i) {
    for (const char* tenant : {"a", "b", ""}) orders.add(tenant, i);
  }

  std::string starts;
  for (int i = 0; i < 10; ++i) starts += orders.start({{"a", 3}}) + ",";

  EXPECT_EQ(starts, "a,a,a,b,,a,a,a,b,,");
}

TEST(TenantOrder, WithinATenantTheOrderKeyDecides) {
  Orders orders;
  const Slot old = orders.add("a", 1'000, 0);
  const Slot urgent = orders.add("a", 1'100, 9);
  const Slot usual = orders.add("a", 1'200, 5);

  EXPECT_EQ(orders.order.next(orders.jobs), urgent);
  orders.remove(urgent);
  EXPECT_EQ(orders.order.next(orders.jobs), usual);
  orders.remove(usual);
  EXPECT_EQ(orders.order.next(orders.jobs), old);
}

// SURVIVAL 26.
TEST(TenantOrder, AMillionJobsOfOneTenantDoNotHoldUpAnothersOne) {
  Orders orders;
  for (int i = 0; i < 1'000'000; ++i) orders.add("big", i);
  orders.add("small", 2'000'000);

  EXPECT_EQ(orders.start(), "big");
  EXPECT_EQ(orders.start(), "small");
}

// Whatever comes and goes, who has jobs waits for at most one turn of each other tenant.
RC_GTEST_PROP(TenantOrder, NobodyWaitsLongerThanOneTurnOfEachOther, ()) {
  const std::vector<std::string> tenants = {"", "a", "b", "c", "d"};
  TenantOrder::Weights weights;
  for (const std::string& tenant : tenants) {
    if (!tenant.empty()) weights[tenant] = *rc::gen::inRange(1, 6);
  }
  int round = 1;  // of "", whose weight is 1
  for (const auto& [tenant, weight] : weights) round += weight;

  Orders orders;
  std::map<std::string, int> waiting, waited;
  const auto steps = *rc::gen::container<std::vector<std::pair<int, int>>>(
      rc::gen::pair(rc::gen::inRange(0, 3), rc::gen::inRange(0, 5)));
  int ready_at = 0;
  for (const auto& [what, who] : steps) {
    if (what > 0) {
      const std::string& tenant = tenants[static_cast<std::size_t>(who)];
      for (int i = 0; i < who + 1; ++i) orders.add(tenant, ++ready_at);
      if (waiting[tenant] == 0) waited[tenant] = 0;
      waiting[tenant] += who + 1;
      continue;
    }
    const std::string started = orders.start(weights);
    if (started == "nobody") continue;
    RC_ASSERT(waiting[started] > 0);
    --waiting[started];
    waited[started] = 0;
    for (const std::string& tenant : tenants) {
      if (tenant == started || waiting[tenant] == 0) continue;
      RC_ASSERT(++waited[tenant] < round);
    }
  }
}

RC_GTEST_PROP(TenantOrder, KnowsTheOldestOfAll, ()) {
  Orders orders;
  std::map<Slot, TimePoint> model;
  const auto steps =
      *rc::gen::arbitrary<std::vector<std::tuple<std::uint8_t, std::uint8_t, std::uint8_t>>>();
  for (const auto& [what, who, ready_at] : steps) {
    if (what % 3 != 0 || model.empty()) {
      const std::string tenant =
          who % 4 == 0 ? "" : std::string(1, static_cast<char>('a' + who % 4));
      const Slot slot = orders.add(tenant, ready_at, what % 10u);
      model[slot] = orders.jobs[slot].due_at;
    } else {
      const auto victim = std::next(model.begin(), who % static_cast<int>(model.size()));
      orders.remove(victim->first);
      model.erase(victim);
    }
    std::optional<TimePoint> want;
    for (const auto& [slot, since] : model) want = std::min(want.value_or(since), since);
    RC_ASSERT(orders.order.oldest(orders.jobs) == want);
    RC_ASSERT(orders.order.size() == model.size());
  }
}

class TenantTest : public EngineTest {
 protected:
  JobId enqueue_for(const std::string& tenant, int priority = 5) {
    NewJob job;
    job.tenant = tenant;
    job.priority = priority;
    return enqueue(std::move(job));
  }
  // Whose jobs one claim of `max` gets, in order.
  std::string starts(int max) {
    std::string whose;
    for (const JobId id : claimed(max)) whose += view(id).extras.tenant + ",";
    return whose;
  }
};

TEST_F(TenantTest, AClaimGoesRoundTheTenants) {
  api::QueueSpec spec;
  spec.fairness_weights = {{"b", 2}};
  configure(spec);
  for (int i = 0; i < 4; ++i) enqueue_for("a");
  for (int i = 0; i < 4; ++i) enqueue_for("b");
  enqueue_for("");

  EXPECT_EQ(starts(4), "a,b,b,,");
  EXPECT_EQ(starts(4), "a,b,b,a,");
}

TEST_F(TenantTest, ItsTenantStaysWithAJobThroughRetriesAndRestarts) {
  const JobId id = enqueue_for("a");
  fail_next();
  restart();
  EXPECT_EQ(view(id).extras.tenant, "a");
  advance(10min);

  enqueue_for("b");
  enqueue_for("a");

  EXPECT_EQ(starts(3), "a,b,a,");
}

TEST_F(TenantTest, TheOldestIsFoundAmongAllTenants) {
  const TimePoint first = now().wall;
  enqueue_for("a");
  advance(1s);
  enqueue_for("b");
  advance(1s);
  enqueue_for("");
  EXPECT_EQ(figures().oldest_ready_time, first);

  EXPECT_EQ(starts(1), "a,");

  EXPECT_EQ(figures().oldest_ready_time, first + 1s);
}

}  // namespace
}  // namespace sluice::broker::testing
