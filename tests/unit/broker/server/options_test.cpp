#include "broker/server/options.h"

#include <gtest/gtest.h>

namespace sluice::broker {
namespace {

TEST(NamespaceLimit, IsReadForAllAndForOne) {
  NamespaceLimitTable limits;

  ASSERT_TRUE(parse_namespace_limit("queues=10,jobs=1000", limits));
  ASSERT_TRUE(parse_namespace_limit("shop:bytes=1073741824", limits));
  ASSERT_TRUE(parse_namespace_limit("shop:jobs=0", limits));

  EXPECT_EQ(limits[""].queues, 10);
  EXPECT_EQ(limits[""].jobs, 1000);
  EXPECT_FALSE(limits[""].bytes);
  EXPECT_EQ(limits["shop"].bytes, 1073741824);
  EXPECT_EQ(limits["shop"].jobs, 0);
}

TEST(NamespaceLimit, RefusesWhatIsNone) {
  for (const char* text : {"", "shop:", "jobs", "jobs=", "jobs=-1", "jobs=1x", "rows=1", ":jobs=1",
                           "Shop:jobs=1", "jobs=1;bytes=2"}) {
    SCOPED_TRACE(text);
    NamespaceLimitTable limits;
    EXPECT_FALSE(parse_namespace_limit(text, limits));
  }
}

}  // namespace
}  // namespace sluice::broker
