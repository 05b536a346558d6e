#include "broker/server/webhook_signature.h"

#include <gtest/gtest.h>

namespace sluice::broker {
namespace {

// The example of Standard Webhooks' own libraries.
constexpr const char* kSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
constexpr const char* kId = "msg_p5jXN8AQM9LWM0D4loKWxJek";
constexpr const char* kTimestamp = "1614265330";
constexpr const char* kBody = R"({"test": 2432232314})";
constexpr const char* kSignature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

TEST(WebhookSignature, IsThatOfTheStandardsExample) {
  const auto signature = webhook_signature(kSecret, kId, kTimestamp, kBody);

  ASSERT_TRUE(signature) << signature.error().message;
  EXPECT_EQ(*signature, kSignature);
}

TEST(WebhookSignature, HasOneForEachLineOfTheSecret) {
  const auto signature =
      webhook_signature(std::string(kSecret) + "\r\nold secret\n", kId, kTimestamp, kBody);

  ASSERT_TRUE(signature);
  EXPECT_TRUE(signature->starts_with(std::string(kSignature) + " v1,")) << *signature;
}

TEST(WebhookSignature, RefusesSecretsThatAreNone) {
  for (const char* secret : {"", " \n", "whsec_", "whsec_not base64!", "whsec_abc"}) {
    SCOPED_TRACE(secret);
    EXPECT_FALSE(webhook_signature(secret, kId, kTimestamp, kBody));
  }
}

}  // namespace
}  // namespace sluice::broker
