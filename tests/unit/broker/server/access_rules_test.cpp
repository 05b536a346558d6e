#include "broker/server/access_rules.h"

#include <gmock/gmock.h>

namespace sluice::broker {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const QueueName kMail{"shop", "mail"};

// The table of RESOURCES §3, written down a second time: every route, so that none is forgotten.
TEST(AccessRules, EveryRouteTakesTheRightThatIsDocumented) {
  const std::map<std::string, std::string> want = {
      {"POST …/jobs", "create queues/jobs"},
      {"POST …/jobs:batch", "create queues/jobs"},
      {"GET …/jobs/{id}", "get queues/jobs"},
      {"GET …/jobs", "list queues/jobs"},
      {"DELETE …/jobs/{id}", "delete queues/jobs"},
      {"GET …/events", "list queues/jobs"},
      {"POST …/jobs:cancel", "delete queues/jobs"},
      {"POST …/jobs/{id}:run", "update queues/jobs"},
      {"POST …/jobs/{id}:reschedule", "update queues/jobs"},
      {"POST …/jobs:claim", "worker or update queues/leases"},
      {"POST …/jobs:extend", "worker or update queues/leases"},
      {"POST …/jobs:settle", "worker or update queues/leases"},
      {"POST …/jobs:ack", "update queues/config"},
      {"PUT …", "update queues/config"},
      {"DELETE …", "update queues/config"},
      {"GET …", "list queues"},
      {"POST …:pause", "update queues/pause"},
      {"POST …:resume", "update queues/pause"},
      {"POST …/workers/{name}:drain", "update queues/workers"},
      {"POST …/workers/{name}:undrain", "update queues/workers"},
      {"POST …/workers/{name}:gone", "update queues/workers"},
      {"POST …/dead:redrive", "update queues/dead"},
      {"GET …/groups/{id}", "get queues/jobs"},
      {"GET …/redrives/{id}", "update queues/dead"},
      {"DELETE …/redrives/{id}", "update queues/dead"},
      {"POST …/dead:purge", "update queues/dead"},
      {"GET …/schedules/{uid}", "update queues/config"},
      {"GET /v1/queues", "list queues"},
      {"GET /v1/signals", "list queues"},
      {"GET /v1/outcomes", "update queues/config"},
      {"POST /v1/backups", "create backups"},
      {"GET /v1/backups", "list backups"},
      {"DELETE /v1/backups/{name}", "delete backups"},
      {"GET /healthz", "anybody"},
      {"GET /readyz", "anybody"},
      {"GET /metrics", "anybody"},
      {"GET /openapi.json", "anybody"},
  };

  std::map<std::string, std::string> got;
  for (const RouteInfo& route : routes()) {
    constexpr std::string_view kQueue = "/v1/namespaces/{namespace}/queues/{queue}";
    std::string path{route.pattern};
    if (path.starts_with(kQueue)) path.replace(0, kQueue.size(), "…");
    const AccessRule& rule = access_rule(route.route);
    std::string text;
    if (rule.access == Access::kAnybody) text = "anybody";
    if (rule.access == Access::kWorkerOrRight) text = "worker or ";
    if (!rule.right.verb.empty()) text.append(rule.right.verb).append(" ");
    got[std::string(to_string(route.method)) + " " + path] = text.append(rule.right.resource);
  }

  EXPECT_EQ(got, want);
}

TEST(AccessRules, AWorkerIsOneOfTheQueueAndOfItsNamespace) {
  struct Case {
    const char* name;
    Identity identity;
    bool want;
  };
  const auto of = [](std::string user, std::vector<std::string> audiences) {
    return Identity{.user = std::move(user), .audiences = std::move(audiences)};
  };
  const Case cases[] = {
      {"its worker", of("system:serviceaccount:shop:default", {"sluice:shop/mail"}), true},
      {"of another queue", of("system:serviceaccount:shop:default", {"sluice:shop/sms"}), false},
      {"of another namespace", of("system:serviceaccount:web:default", {"sluice:shop/mail"}),
       false},
      {"of a namespace that begins alike",
       of("system:serviceaccount:shop-2:d", {"sluice:shop/mail"}), false},
      {"no service account", of("shop", {"sluice:shop/mail"}), false},
      {"everybody's audience", of("system:serviceaccount:shop:default", {"sluice"}), false},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(is_worker_of(c.identity, kMail), c.want);
  }
}

TEST(AccessRules, ReadsTheNamespacesACallIsLimitedTo) {
  EXPECT_THAT(*namespaces_of("/v1/signals"), IsEmpty());
  EXPECT_THAT(*namespaces_of("/v1/signals?limit=3"), IsEmpty());
  EXPECT_THAT(*namespaces_of("/v1/signals?limit=3&namespaces=a,b%2Cc"), ElementsAre("a", "b", "c"));

  // None of these may come to mean all namespaces.
  for (const char* bad :
       {"?namespaces=", "?namespaces=,", "?namespaces=a,", "?namespaces=%", "?namespaces=A"}) {
    SCOPED_TRACE(bad);
    EXPECT_FALSE(namespaces_of(std::string("/v1/signals") + bad));
  }
}

TEST(AccessRules, SaysWhatIsMissing) {
  EXPECT_EQ(describe_lack({"update", "queues/dead"}, "shop"),
            "needs verb update on queues/dead (sluice.dev) in namespace shop");
  EXPECT_EQ(describe_lack({"list", "queues"}, ""),
            "needs verb list on queues (sluice.dev) in all namespaces");
}

}  // namespace
}  // namespace sluice::broker
