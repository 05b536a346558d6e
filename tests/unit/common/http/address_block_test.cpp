#include "common/http/address_block.h"

#include <gtest/gtest.h>

namespace sluice::http {
namespace {

TEST(AddressBlock, ContainsItsAddressesAndNoOthers) {
  const struct {
    const char* block;
    const char* address;
    bool contains;
  } cases[] = {
      {"10.0.0.0/8", "10.255.0.1", true},
      {"10.0.0.0/8", "11.0.0.0", false},
      {"10.0.0.0/8", "::ffff:10.1.2.3", true},
      {"192.168.4.0/22", "192.168.7.255", true},
      {"192.168.4.0/22", "192.168.8.0", false},
      {"127.0.0.1", "127.0.0.1", true},
      {"127.0.0.1", "127.0.0.2", false},
      {"0.0.0.0/0", "8.8.8.8", true},
      {"0.0.0.0/0", "::1", false},
      {"::/0", "8.8.8.8", true},
      {"fd00::/8", "fdff::1", true},
      {"fd00::/8", "fe80::1", false},
      {"10.0.0.0/8", "example.org", false},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(std::string(c.block) + " " + c.address);
    const auto block = AddressBlock::parse(c.block);
    ASSERT_TRUE(block) << block.error().message;
    EXPECT_EQ(block->contains(c.address), c.contains);
  }
}

TEST(AddressBlock, RefusesWhatIsNoRange) {
  for (const char* text : {"", "10.0.0.0/", "10.0.0.0/33", "::/129", "10.0.0.1/8", "example.org/8",
                           "10.0.0.0/-1", "10.0.0.0/8x", "10.0.0/8"}) {
    SCOPED_TRACE(text);
    EXPECT_FALSE(AddressBlock::parse(text));
  }
}

// SURVIVAL 30: what a callback must not reach.
TEST(GloballyRoutable, LeavesOutWhatIsInsideOrSpecial) {
  for (const char* address :
       {"0.0.0.0",    "10.1.2.3",         "100.64.0.1",      "127.0.0.1",       "169.254.169.254",
        "172.16.0.1", "172.31.255.255",   "192.0.0.8",       "192.0.2.1",       "192.168.1.1",
        "198.18.0.1", "203.0.113.9",      "224.0.0.1",       "255.255.255.255", "::",
        "::1",        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "100::1",
        "2001::1",    "2001:db8::1",      "2002:7f00:1::",   "3fff::1",         "fc00::1",
        "fdff::1",    "fe80::1",          "ff02::1",         "not an address"}) {
    SCOPED_TRACE(address);
    EXPECT_FALSE(is_globally_routable(address));
  }
}

TEST(GloballyRoutable, TakesTheRest) {
  for (const char* address :
       {"1.1.1.1", "8.8.8.8", "172.15.0.1", "172.32.0.1", "100.63.255.255", "100.128.0.0",
        "223.255.255.255", "::ffff:8.8.8.8", "2606:4700::1111", "2a00:1450:4001::1"}) {
    SCOPED_TRACE(address);
    EXPECT_TRUE(is_globally_routable(address));
  }
}

}  // namespace
}  // namespace sluice::http
