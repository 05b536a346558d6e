#include "cli/job_body.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/document.h"

namespace sluice::cli {
namespace {

TEST(LineKey, NamesTheLineOfOneInvocation) {
  EXPECT_EQ(line_key("cli-5f", 12), "cli-5f-12");
  EXPECT_NE(line_key("cli-5f", 1), line_key("cli-5f", 2));
}

TEST(JobBody, KeepsThePayloadsBytes) {
  const auto body = job_body({}, " {\"n\": 1.00,  \"u\":\"\\u00e4\"}\n", "k-1");

  ASSERT_TRUE(body);
  EXPECT_THAT(*body, ::testing::HasSubstr(R"("payload":{"n": 1.00,  "u":"\u00e4"}})"));
}

TEST(JobBody, CarriesEveryFlag) {
  JobFields fields;
  fields.priority = 9;
  fields.delay_seconds = 3;
  fields.expires_at = "2026-11-22T16:00:00Z";
  fields.timeout_seconds = 60;
  fields.labels = {{"run", "a \"quoted\" one"}};
  fields.depends_on = {"p"};
  fields.run_on_parent_failure = true;
  fields.unique_key = "u";
  fields.replace = true;
  fields.callback = "https://example.org/in";
  fields.callback_secret = "hook";

  const auto body = job_body(fields, "null", "k-1");

  ASSERT_TRUE(body);
  const auto job = parse_json(*body);
  ASSERT_TRUE(job);
  EXPECT_EQ(*job, *parse_json(R"({"idempotencyKey":"k-1","priority":9,"delaySeconds":3,
      "expiresAt":"2026-11-22T16:00:00Z","timeoutSeconds":60,
      "labels":{"run":"a \"quoted\" one"},"dependsOn":["p"],"onParentFailure":"Run",
      "uniqueKey":"u","onDuplicate":"Replace","callback":{"url":"https://example.org/in","secretName":"hook"},"payload":null})"));
}

TEST(JobBody, RefusesWhatIsNotOneJsonValue) {
  for (const char* text : {"", "hello", "{\"a\":1", "1 2", "{},\"priority\":9"}) {
    SCOPED_TRACE(text);
    const auto body = job_body({}, text, "k-1");
    ASSERT_FALSE(body);
    EXPECT_EQ(body.error().code, ErrorCode::kInvalidArgument);
  }
}

TEST(EnvelopeBody, GetsTheLinesKeyUnlessItHasOne) {
  const auto without = envelope_body(R"({"payload":{"a":1}} )", "k-7");
  const auto with = envelope_body(R"({"payload":1,"idempotencyKey":"mine"})", "k-7");

  ASSERT_TRUE(without);
  ASSERT_TRUE(with);
  EXPECT_EQ(*without, R"({"payload":{"a":1},"idempotencyKey":"k-7"})");
  EXPECT_EQ(*with, R"({"payload":1,"idempotencyKey":"mine"})");
}

TEST(EnvelopeBody, IsAnObjectWithAPayload) {
  EXPECT_FALSE(envelope_body("[1]", "k"));
  EXPECT_FALSE(envelope_body("{}", "k"));
  EXPECT_FALSE(envelope_body("{\"payload\":", "k"));
}

}  // namespace
}  // namespace sluice::cli
