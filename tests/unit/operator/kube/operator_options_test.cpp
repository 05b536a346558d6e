#include "operator/kube/options.h"

#include <gtest/gtest.h>

namespace sluice::kube {
namespace {

ParsedOptions parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "sluice-operator");
  return parse_options(static_cast<int>(arguments.size()), arguments.data());
}

TEST(OperatorOptions, EveryFlagIsRead) {
  const auto parsed = parse({"--broker",
                             "http://broker:7070",
                             "--broker-ca",
                             "ca.crt",
                             "--broker-token-file",
                             "token",
                             "--namespace",
                             "sluice",
                             "--watch-namespace",
                             "a",
                             "--watch-namespace",
                             "b",
                             "--worker-image",
                             "image",
                             "--context",
                             "c",
                             "--listen",
                             "[::1]:0",
                             "--leader-elect=false",
                             "--tls-service",
                             "sluice-broker"});

  ASSERT_TRUE(parsed.options);
  EXPECT_EQ(parsed.options->broker.host, "broker");
  EXPECT_EQ(parsed.options->broker_url, "http://broker:7070");
  EXPECT_EQ(parsed.options->broker_ca_file, "ca.crt");
  EXPECT_EQ(parsed.options->broker_token_file, "token");
  EXPECT_EQ(parsed.options->namespace_name, "sluice");
  EXPECT_EQ(parsed.options->watch_namespaces, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(parsed.options->worker_image, "image");
  EXPECT_EQ(parsed.options->context, "c");
  EXPECT_EQ(parsed.options->listen_address, "::1");
  EXPECT_EQ(parsed.options->listen_port, 0);
  EXPECT_FALSE(parsed.options->is_leader_elect);
  EXPECT_EQ(parsed.options->tls_service, "sluice-broker");
}

TEST(OperatorOptions, LeadsByElectionAndListensEverywhereByDefault) {
  const auto parsed = parse({"--broker", "http://broker:7070", "--listen", ":9090"});

  ASSERT_TRUE(parsed.options);
  EXPECT_TRUE(parsed.options->is_leader_elect);
  EXPECT_EQ(parsed.options->listen_address, "0.0.0.0");
  EXPECT_EQ(parsed.options->listen_port, 9090);
  EXPECT_TRUE(parsed.options->watch_namespaces.empty());
}

TEST(OperatorOptions, MistakeNamesItsFlag) {
  struct Case {
    const char* name;
    std::vector<const char*> arguments;
    const char* want;
  };
  const Case cases[] = {
      {"no broker", {}, "--broker"},
      {"no url", {"--broker", "broker"}, "--broker"},
      {"no port", {"--broker", "http://b:1", "--listen", "0.0.0.0"}, "--listen"},
      {"bad port", {"--broker", "http://b:1", "--listen", "0.0.0.0:x"}, "--listen"},
      {"no file", {"--broker", "http://b:1", "--kubeconfig", "missing"}, "--kubeconfig"},
      {"no boolean", {"--broker", "http://b:1", "--leader-elect", "maybe"}, "--leader-elect"},
      {"unknown", {"--broker", "http://b:1", "--nope"}, "--nope"},
  };

  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    ::testing::internal::CaptureStderr();
    const auto parsed = parse(c.arguments);
    const std::string said = ::testing::internal::GetCapturedStderr();
    EXPECT_FALSE(parsed.options);
    EXPECT_EQ(parsed.exit_status, 2);
    EXPECT_NE(said.find(c.want), std::string::npos) << said;
  }
}

}  // namespace
}  // namespace sluice::kube
