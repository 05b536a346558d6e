#include "operator/kube/client_metrics.h"

#include <gtest/gtest.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

namespace sluice::kube {
namespace {

using namespace std::chrono_literals;

TEST(ClientMetrics, CountsByTheUsualNames) {
  prometheus::Registry registry;
  const auto metrics = make_client_metrics(registry);

  metrics->request_ended("GET", "api:443", 200, 10ms);
  metrics->request_ended("GET", "api:443", 200, 10ms);
  metrics->request_ended("POST", "api:443", 0, 10ms);

  const std::string text = prometheus::TextSerializer().Serialize(registry.Collect());
  EXPECT_NE(text.find(R"(rest_client_requests_total{code="200",host="api:443",method="GET"} 2)"),
            std::string::npos)
      << text;
  EXPECT_NE(
      text.find(R"(rest_client_requests_total{code="<error>",host="api:443",method="POST"} 1)"),
      std::string::npos)
      << text;
  EXPECT_NE(
      text.find(
          R"(rest_client_request_duration_seconds_bucket{host="api:443",verb="GET",le="0.025"} 2)"),
      std::string::npos)
      << text;
}

}  // namespace
}  // namespace sluice::kube
