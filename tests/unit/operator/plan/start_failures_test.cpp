#include "operator/plan/start_failures.h"

#include <gtest/gtest.h>

namespace sluice::op {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kNow{std::chrono::seconds{1'800'000'000}};

PodFacts pod(int number, PodPhase phase, const std::string& hash = "today") {
  const std::string uid = std::to_string(number);
  return {.name = "q-" + uid, .uid = uid, .template_hash = hash, .phase = phase};
}
PodFacts failed(int number, const std::string& hash = "today") {
  PodFacts facts = pod(number, PodPhase::kFailed, hash);
  facts.exit_code = 78;
  return facts;
}
PodFacts ready(int number) {
  PodFacts facts = pod(number, PodPhase::kRunning);
  facts.ready = true;
  return facts;
}

TEST(StartFailures, EachFailureDoublesTheWaitUpToTheMaximum) {
  StartFailures starts;
  EXPECT_EQ(starts.not_before(), std::nullopt);
  int number = 0;
  for (const Duration wait : {1s, 2s, 4s, 8s, 16s, 32s, 64s, 128s, 256s, 300s, 300s}) {
    starts.observe("today", {failed(++number)}, kNow);
    EXPECT_EQ(starts.not_before(), kNow + wait);
    EXPECT_EQ(starts.not_before(5), kNow + std::min<Duration>(wait, 5s));
  }
}

TEST(StartFailures, AFailedPodCountsOnceAndSoDoThoseMadeWithIt) {
  StartFailures starts;
  starts.observe("today", {failed(1), pod(2, PodPhase::kRunning)}, kNow);
  starts.observe("today", {failed(1), failed(2)}, kNow + 1s);

  EXPECT_EQ(starts.not_before(), kNow + 1s);
  EXPECT_EQ(starts.start_error(), "pod q-1: exit code 78");

  starts.observe("today", {failed(3)}, kNow + 2s);
  EXPECT_EQ(starts.not_before(), kNow + 4s);
}

TEST(StartFailures, AnotherTemplateStartsAnew) {
  StartFailures starts;
  starts.observe("yesterday", {failed(1, "yesterday")}, kNow);
  starts.refused("exceeded quota", kNow);

  starts.observe("today", {failed(2, "yesterday")}, kNow);

  EXPECT_FALSE(starts.is_failing());
  EXPECT_EQ(starts.not_before(), std::nullopt);
  EXPECT_EQ(starts.create_error(), "");
  EXPECT_EQ(starts.start_error(), "");
}

TEST(StartFailures, APodThatWorksEndsThem) {
  StartFailures starts;
  starts.observe("today", {failed(1)}, kNow);
  starts.observe("today", {ready(2)}, kNow);
  EXPECT_FALSE(starts.is_failing());

  starts.observe("today", {failed(2)}, kNow);
  EXPECT_FALSE(starts.is_failing()) << "it had started";
}

TEST(StartFailures, ADisruptionIsNoFailure) {
  StartFailures starts;
  PodFacts evicted = failed(1);
  evicted.end_reason = "Evicted";

  starts.observe("today", {evicted}, kNow);

  EXPECT_FALSE(starts.is_failing());
}

TEST(StartFailures, ARefusalCountsAndStandsUntilAPodIsMade) {
  StartFailures starts;
  starts.refused("exceeded quota", kNow);
  EXPECT_EQ(starts.create_error(), "exceeded quota");
  EXPECT_EQ(starts.not_before(), kNow + 1s);

  starts.created();

  EXPECT_EQ(starts.create_error(), "");
  EXPECT_TRUE(starts.is_failing());
}

}  // namespace
}  // namespace sluice::op
