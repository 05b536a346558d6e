#include "broker/server/host_check.h"

#include <gtest/gtest.h>

namespace sluice::broker {
namespace {

TEST(HostCheck, TakesLoopbackNamesAlone) {
  struct Case {
    const char* host;
    bool want;
  };
  const Case cases[] = {
      {"localhost", true},
      {"LocalHost:8080", true},
      {"127.0.0.1", true},
      {"127.0.0.1:7070", true},
      {"127.255.3.4", true},
      {"[::1]", true},
      {"[::1]:7070", true},
      {"", false},
      {"example.com", false},
      {"localhost.example", false},
      {"127.0.0.1.nip.io", false},
      {"127.1", false},
      {"127.0.0.256", false},
      {"128.0.0.1", false},
      {"[::2]", false},
      {"::1", false},
      {"localhost:", false},
      {"localhost:80a", false},
      {"10.0.0.1", false},
      {"localhost@evil", false},
      {"[::1]x", false},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.host);
    EXPECT_EQ(is_loopback_host(c.host), c.want);
  }
}

}  // namespace
}  // namespace sluice::broker
