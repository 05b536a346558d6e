#include "broker/server/options.h"

#include <gtest/gtest.h>

namespace sluice::broker {
namespace {

std::variant<BrokerOptions, ExitNow> parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), {"sluice-broker", "--data", "d"});
  return parse_options(static_cast<int>(arguments.size()), arguments.data());
}

TEST(BrokerOptions, NumbersOutOfTheirBoundsAreRefused) {
  const std::vector<const char*> cases[] = {{"--disk-reserve-bytes", "-1"},
                                            {"--disk-reserve-bytes", "18446744073709551615"},
                                            {"--disk-reserve-bytes", "1e9"},
                                            {"--threads", "0"},
                                            {"--threads", "-1"},
                                            {"--threads", "4294967297"},
                                            {"--listen", "127.0.0.1:65536"},
                                            {"--listen", "127.0.0.1:-1"}};
  for (const auto& arguments : cases) {
    SCOPED_TRACE(::testing::PrintToString(arguments));
    const auto parsed = parse(arguments);
    ASSERT_TRUE(std::holds_alternative<ExitNow>(parsed));
    EXPECT_EQ(std::get<ExitNow>(parsed).status, 2);
  }
}

TEST(BrokerOptions, AReserveIsRead) {
  const auto parsed = parse({"--disk-reserve-bytes", "1000"});

  ASSERT_TRUE(std::holds_alternative<BrokerOptions>(parsed));
  EXPECT_EQ(std::get<BrokerOptions>(parsed).server.disk_reserve_bytes, 1000u);
}

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
