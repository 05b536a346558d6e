#include "broker/server/router.h"

#include <gtest/gtest.h>

namespace sluice::broker {
namespace {

TEST(Router, KnowsItsRoutesByTheirPatterns) {
  for (const RouteInfo& route : routes()) {
    SCOPED_TRACE(route.pattern);
    std::string path{route.pattern};
    for (const auto& [from, to] : {std::pair{"{namespace}", "prod"},
                                   {"{queue}", "mail"},
                                   {"{id}", "0192"},
                                   {"{name}", "w%2D1"},
                                   {"{uid}", "u-1"}}) {
      if (const auto at = path.find(from); at != std::string::npos) {
        path.replace(at, std::string_view{from}.size(), to);
      }
    }
    std::string allow;
    const auto match = match_route(route.method, path, allow);

    ASSERT_TRUE(match);
    EXPECT_EQ(match->route, route.route);
    EXPECT_EQ(&info(match->route), &route);
  }
}

TEST(Router, ReadsNamesOutOfThePath) {
  std::string allow;
  const auto match =
      match_route(Method::kPost, "/v1/namespaces/prod/queues/mail/workers/a%3Ab:drain", allow);

  ASSERT_TRUE(match);
  EXPECT_EQ(match->queue, (QueueName{"prod", "mail"}));
  EXPECT_EQ(match->item, "a:b");
}

TEST(Router, RefusesPathsThatAreNone) {
  const char* const paths[] = {
      "/",
      "/v1",
      "/v1/namespaces/prod",
      "/v1/namespaces/prod/queues/",
      "/v1/namespaces/Prod/queues/mail",
      "/v1/namespaces/prod/queues/ma_il",
      "/v1/namespaces/prod/queues/a%00b",
      "/v1/namespaces/prod/queues/mail%2f..",
      "/v1/namespaces/prod/queues/mail/",
      "/v1/namespaces/prod/queues/mail/jobs/",
      "/v1/namespaces/prod/queues/mail/jobs/1/2",
      "/v1/namespaces/prod/queues/mail/jobs:fly",
      "/v1/namespaces/prod/queues/mail:pause/jobs",
      "/v1/namespaces/prod/queues/mail/jobs/1:fly",
      "/v1/namespaces/prod/queues/mail/workers/w:fly",
      "/healthz/",
      "/v1/backups/",
      "/v1/backups/a/b",
      "/v1/backups/a%2Fb",
      "/v1/backups/a%00b",
  };
  for (const char* path : paths) {
    SCOPED_TRACE(path);
    std::string allow;
    EXPECT_FALSE(match_route(Method::kPost, path, allow));
    EXPECT_EQ(allow, "");
  }
}

TEST(Router, NamesTheMethodsOfAPath) {
  std::string allow;
  EXPECT_FALSE(match_route(Method::kPost, "/v1/namespaces/prod/queues/mail", allow));
  EXPECT_EQ(allow, "PUT, GET, DELETE");
}

TEST(PercentDecode, RefusesMalformedEscapes) {
  EXPECT_EQ(percent_decode("a%2Fb%c3%A4"), "a/bä");
  for (const char* text : {"%", "%2", "%zz", "%+1", "%00"}) {
    SCOPED_TRACE(text);
    EXPECT_EQ(percent_decode(text), std::nullopt);
  }
}

TEST(Query, ChecksWhatItIsGiven) {
  constexpr std::string_view kKnown[] = {"n", "flag"};
  const auto query = Query::parse("/x?n=7&flag=true", kKnown);
  ASSERT_TRUE(query);
  EXPECT_EQ(*query->integer("n", 0, 9, 1), 7);
  EXPECT_TRUE(*query->flag("flag"));
  EXPECT_EQ(query->integer("n", 0, 5, 1).error().field, "n");

  EXPECT_EQ(Query::parse("/x?m=1", kKnown).error().field, "m");
  EXPECT_EQ(Query::parse("/x?n=1&n=2", kKnown).error().field, "n");
  EXPECT_FALSE(Query::parse("/x?n=%zz", kKnown));
  EXPECT_TRUE(Query::parse("/x?", kKnown));
}

}  // namespace
}  // namespace sluice::broker
