#include "operator/kube/operator_server.h"

#include <gtest/gtest.h>

#include <atomic>

#include "common/http/client.h"

namespace sluice::kube {
namespace {

TEST(OperatorServer, AnswersMetricsHealthAndReadiness) {
  std::atomic<bool> is_ready{false};
  const auto server = OperatorServer::start(
      "127.0.0.1", 0,
      {.metrics = [] { return "x 1\n"; }, .is_ready = [&] { return is_ready.load(); }});
  ASSERT_TRUE(server) << server.error().message;
  http::Client client(*http::parse_url("http://127.0.0.1:" + std::to_string((*server)->port())));

  EXPECT_EQ(client.send({.target = "/metrics"})->body, "x 1\n");
  EXPECT_EQ(client.send({.target = "/healthz"})->status, 200);
  EXPECT_EQ(client.send({.target = "/readyz"})->status, 503);
  is_ready = true;
  EXPECT_EQ(client.send({.target = "/readyz?verbose"})->status, 200);
  EXPECT_EQ(client.send({.target = "/other"})->status, 404);
  EXPECT_EQ(client.send({.method = "POST", .target = "/healthz"})->status, 405);
}

TEST(OperatorServer, AddressThatIsTakenIsNamed) {
  const ServerAnswers answers{.metrics = [] { return ""; }, .is_ready = [] { return true; }};
  const auto first = OperatorServer::start("127.0.0.1", 0, answers);
  ASSERT_TRUE(first);
  const std::uint16_t port = (*first)->port();

  const auto taken = OperatorServer::start("127.0.0.1", port, answers);
  const auto nowhere = OperatorServer::start("not an address", 0, answers);

  ASSERT_FALSE(taken);
  EXPECT_NE(taken.error().message.find("127.0.0.1:" + std::to_string(port)), std::string::npos);
  ASSERT_FALSE(nowhere);
  EXPECT_NE(nowhere.error().message.find("not an address"), std::string::npos);
}

}  // namespace
}  // namespace sluice::kube
