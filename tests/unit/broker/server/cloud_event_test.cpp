#include "broker/server/cloud_event.h"

#include <gtest/gtest.h>

#include "broker/server/idempotency.h"

namespace sluice::broker {
namespace {

DecodeJobOptions options() {
  return {.payload_bytes_max = 1024};
}

Result<NewJob> decode(std::string_view event) {
  return decode_cloud_event(JsonView{event}, options());
}

TEST(CloudEvent, KnowsItsMediaType) {
  EXPECT_TRUE(is_cloud_event("application/cloudevents+json"));
  EXPECT_TRUE(is_cloud_event("Application/CloudEvents+JSON ; charset=UTF-8"));
  EXPECT_FALSE(is_cloud_event("application/json"));
  EXPECT_FALSE(is_cloud_event("application/cloudevents-batch+json"));
}

TEST(CloudEvent, IsThePayloadAndItsSourceAndIdAreTheKey) {
  const std::string event =
      R"({"specversion":"1.0","id":"7","source":"/shop","type":"order","data":{"n": 1.0}})";

  const auto job = decode(event);
  const auto other = decode(R"({"specversion":"1.0","id":"8","source":"/shop","type":"order"})");

  ASSERT_TRUE(job && other);
  EXPECT_EQ(job->payload, event);
  ASSERT_TRUE(job->idempotency && other->idempotency);
  EXPECT_NE(job->idempotency->key, other->idempotency->key);
  EXPECT_EQ(decode(event)->idempotency->key, job->idempotency->key);
}

TEST(CloudEvent, TheHeadersKeyStandsBeforeItsOwn) {
  auto keyed = options();
  keyed.idempotency_key = "k";

  const auto job = decode_cloud_event(
      JsonView{R"({"specversion":"1.0","id":"7","source":"s","type":"t"})"}, keyed);

  EXPECT_EQ(job->idempotency->key, hash128("k"));
}

TEST(CloudEvent, NamesTheAttributeAtFault) {
  struct Case {
    const char* event;
    const char* field;
  };
  const Case cases[] = {
      {R"({"id":"7","source":"s","type":"t"})", "specversion"},
      {R"({"specversion":"0.3","id":"7","source":"s","type":"t"})", "specversion"},
      {R"({"specversion":"1.0","source":"s","type":"t"})", "id"},
      {R"({"specversion":"1.0","id":7,"source":"s","type":"t"})", "id"},
      {R"({"specversion":"1.0","id":"7","source":"","type":"t"})", "source"},
      {R"({"specversion":"1.0","id":"7","source":"s","type":"t","type":"u"})", "type"},
      {R"([])", ""},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.event);
    const auto job = decode(c.event);
    ASSERT_FALSE(job);
    EXPECT_EQ(job.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(job.error().field, c.field);
  }
  const std::string big = R"({"specversion":"1.0","id":"7","source":"s","type":"t","data":")" +
                          std::string(1024, 'x') + "\"}";
  EXPECT_EQ(decode(big).error().code, ErrorCode::kTooLarge);
}

TEST(CloudEvent, BinaryModeBecomesStructured) {
  const auto event = to_structured_event(
      {{"specversion", "1.0"}, {"id", "a%20b"}, {"source", "s"}, {"type", "t"}}, R"({"n": 1.0})");

  ASSERT_TRUE(event);
  EXPECT_EQ(*event, R"({"specversion":"1.0","id":"a b","source":"s","type":"t",)"
                    R"("datacontenttype":"application/json","data":{"n": 1.0}})");
  EXPECT_EQ(to_structured_event({{"data", "x"}}, "1").error().field, "ce-data");
  EXPECT_EQ(to_structured_event({{"a_b", "x"}}, "1").error().field, "ce-a_b");
  EXPECT_EQ(to_structured_event({{"id", "%zz"}}, "1").error().field, "ce-id");
}

}  // namespace
}  // namespace sluice::broker
