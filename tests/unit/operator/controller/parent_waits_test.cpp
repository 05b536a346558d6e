#include "operator/controller/parent_waits.h"

#include <gtest/gtest.h>

namespace sluice::op {
namespace {

ObjectKey job(const char* name) {
  return {ObjectKind::kJob, "default", name};
}

TEST(ParentWaits, KnowsWhoWaitsForWhom) {
  ParentWaits waits;
  waits.wait(job("x"), {job("a"), job("b")});
  waits.wait(job("y"), {job("a")});

  EXPECT_EQ(waits.waiting_for(job("a")), (std::vector{job("x"), job("y")}));
  EXPECT_EQ(waits.waiting_for(job("b")), std::vector{job("x")});
  EXPECT_TRUE(waits.waiting_for(job("x")).empty());
}

TEST(ParentWaits, TheLastWordCounts) {
  ParentWaits waits;
  waits.wait(job("x"), {job("a"), job("b")});
  waits.wait(job("x"), {job("b")});
  waits.wait(job("y"), {job("b")});
  waits.forget(job("y"));

  EXPECT_TRUE(waits.waiting_for(job("a")).empty());
  EXPECT_EQ(waits.waiting_for(job("b")), std::vector{job("x")});
}

}  // namespace
}  // namespace sluice::op
