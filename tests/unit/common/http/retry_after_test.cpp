#include "common/http/retry_after.h"

#include <gtest/gtest.h>

namespace sluice::http {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kNow{784'111'777s};

TEST(RetryAfter, IsSecondsOrADate) {
  struct Case {
    const char* text;
    std::optional<int> want;
  };
  const Case cases[] = {
      {"120", 120},
      {" 0 ", 0},
      {"99999999999999999999", 365 * 24 * 3600},
      {"Sun, 06 Nov 1994 08:50:07 GMT", 30},
      {"Sun, 06 Nov 1994 08:00:00 GMT", 0},
      {"Sun, 06 Nov 2094 08:00:00 GMT", 365 * 24 * 3600},
      {"", {}},
      {"-1", {}},
      {"soon", {}},
      {"1.5", {}},
      {"Sun, 31 Feb 1994 08:00:00 GMT", {}},
      {"Sun, 06 Nov 1994 25:00:00 GMT", {}},
      {"Sun, 06 Foo 1994 08:00:00 GMT", {}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text);
    EXPECT_EQ(parse_retry_after(c.text, kNow), c.want);
  }
}

}  // namespace
}  // namespace sluice::http
