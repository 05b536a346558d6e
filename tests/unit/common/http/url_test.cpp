#include "common/http/client.h"

namespace sluice::http {
namespace {

TEST(ParseUrl, TakesHostPortAndBasePathApart) {
  struct Case {
    const char* name;
    const char* text;
    Url want;
  };
  const Case cases[] = {
      {"plain", "http://127.0.0.1:7070", {"http", "127.0.0.1", "7070", ""}},
      {"trailing slash", "http://broker:80/", {"http", "broker", "80", ""}},
      {"default port", "http://broker", {"http", "broker", "80", ""}},
      {"base path", "http://broker:1/a/b/", {"http", "broker", "1", "/a/b"}},
      {"IPv6", "http://[::1]:7070", {"http", "::1", "7070", ""}},
      {"TLS", "https://broker.sluice.svc:7070", {"https", "broker.sluice.svc", "7070", ""}},
      {"TLS without port", "https://broker", {"https", "broker", "443", ""}},
      {"IPv6 without port", "http://[fe80::1]/x", {"http", "fe80::1", "80", "/x"}},
  };

  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const auto url = parse_url(c.text);
    ASSERT_TRUE(url);
    EXPECT_EQ(url->scheme, c.want.scheme);
    EXPECT_EQ(url->host, c.want.host);
    EXPECT_EQ(url->port, c.want.port);
    EXPECT_EQ(url->base_path, c.want.base_path);
  }
}

TEST(ParseUrl, RefusesWhatItCannotReach) {
  const char* const cases[] = {
      "",
      "127.0.0.1:7070",
      "ftp://broker:7070",
      "HTTPS//broker",
      "http://",
      "http://:7070",
      "http://broker:",
      "http://broker:0",
      "http://broker:65536",
      "http://broker:7o",
      "http://::1:7070",
      "http://user@broker:1",
      "http://broker:1/?a=b",
      "http://bro ker:1",
      "http://broker:1/\r\nX: y",
  };

  for (const char* text : cases) {
    SCOPED_TRACE(text);
    const auto url = parse_url(text);
    ASSERT_FALSE(url);
    EXPECT_EQ(url.error().code, ErrorCode::kInvalidArgument);
  }
}

TEST(PercentEncode, LeavesOnlyUnreservedCharacters) {
  EXPECT_EQ(percent_encode("aZ09-._~"), "aZ09-._~");
  EXPECT_EQ(percent_encode("a/b c?d&e=f%"), "a%2Fb%20c%3Fd%26e%3Df%25");
  EXPECT_EQ(percent_encode("\xC3\xA9"), "%C3%A9");
}

}  // namespace
}  // namespace sluice::http
