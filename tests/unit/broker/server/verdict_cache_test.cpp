#include "broker/server/verdict_cache.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::broker {
namespace {

using namespace std::chrono_literals;

constexpr SteadyPoint kStart{1000s};

TEST(VerdictCache, BelievesAVerdictForItsTime) {
  VerdictCache<bool> cache(60s, 10);
  cache.put("a", true, kStart);

  EXPECT_EQ(cache.find("a", kStart + 59s), true);
  EXPECT_EQ(cache.find("a", kStart + 60s), std::nullopt);
  EXPECT_EQ(cache.find("b", kStart), std::nullopt);
}

TEST(VerdictCache, DropsTheOldestWhenThereAreTooMany) {
  VerdictCache<bool> cache(60s, 3);
  for (int i = 0; i < 1000; ++i) cache.put(std::to_string(i), true, kStart);

  EXPECT_LE(cache.size(), 3u);
  EXPECT_EQ(cache.find("999", kStart), true);
  EXPECT_EQ(cache.find("0", kStart), std::nullopt);
}

TEST(VerdictCache, AVerdictPutAnewLivesItsWholeTime) {
  VerdictCache<bool> cache(60s, 10);
  cache.put("a", true, kStart);
  cache.put("a", true, kStart + 50s);
  cache.put("b", true, kStart + 70s);  // the first entry of "a" has ended

  EXPECT_EQ(cache.find("a", kStart + 100s), true);
}

}  // namespace
}  // namespace sluice::broker
