#include "common/http/resolve.h"

#include <gmock/gmock.h>

namespace sluice::http {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

AddressLookup::Deadline in(std::chrono::seconds time) {
  return std::chrono::steady_clock::now() + time;
}

TEST(AddressLookup, NumbersAndLocalhostAreNotAskedFor) {
  AddressLookup lookup;

  EXPECT_THAT(*lookup.find("127.0.0.1", in(0s)), ElementsAre("127.0.0.1"));
  EXPECT_THAT(*lookup.find("::1", in(0s)), ElementsAre("::1"));
  EXPECT_THAT(*lookup.find("LocalHost", in(0s)), ElementsAre("127.0.0.1", "::1"));
}

// "invalid" is a name that never is (RFC 6761), whether or not there is a DNS server.
TEST(AddressLookup, ANameThatIsNoneIsAnError) {
  AddressLookup lookup;

  const auto found = lookup.find("nobody.invalid.", in(5s));

  EXPECT_FALSE(found);
}

TEST(AddressLookup, IsOverOnceCancelled) {
  AddressLookup lookup;
  lookup.cancel();

  const auto found = lookup.find("nobody.invalid.", in(30s));

  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace sluice::http
