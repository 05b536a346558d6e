// Bodies: what the validator accepts is walked without a look outside, and decoded or refused.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "broker/server/decode_jobs.h"
#include "broker/server/decode_requests.h"
#include "broker/server/idempotency.h"
#include "common/base/check.h"

namespace sluice::broker {
namespace {

std::size_t walk(const JsonView& value) {
  std::size_t deepest = 0;
  switch (value.kind()) {
    case JsonView::Kind::kObject:
      value.for_each_member([&](std::string_view, const JsonView& member) {
        deepest = std::max(deepest, walk(member));
        return true;
      });
      return deepest + 1;
    case JsonView::Kind::kArray:
      value.for_each_element([&](const JsonView& element) {
        deepest = std::max(deepest, walk(element));
        return true;
      });
      return deepest + 1;
    case JsonView::Kind::kString:
      CHECK(value.string().has_value());
      return 0;
    case JsonView::Kind::kNumber:
      CHECK(value.number().has_value());
      (void)value.integer();
      return 0;
    case JsonView::Kind::kBool:
      CHECK(value.boolean().has_value());
      return 0;
    case JsonView::Kind::kNull:
      return 0;
  }
  return 0;
}

void check_view(JsonValidator& validator, const JsonView& view) {
  CHECK(walk(view) == view.depth());
  std::string compact;
  view.append_compact(compact);
  CHECK(static_cast<bool>(validator.check(compact)));
  std::string again;
  JsonView(compact).append_compact(again);
  CHECK(compact == again);
}

void decode_one(JsonView view, unsigned which, UnknownMembers unknown) {
  const QueueName queue{"shop", "orders"};
  const DecodeJobOptions options{
      .unknown = unknown, .payload_bytes_max = 1'000, .idempotency_key = {}};
  switch (which) {
    case 0:
      if (decode_new_job(view, options)) content_hash(view);
      break;
    case 1:
      (void)decode_batch(view, options);
      break;
    case 2:
      (void)decode_claim(view, queue, unknown);
      break;
    case 3:
      (void)decode_extend(view, queue, unknown);
      break;
    case 4:
      (void)decode_settle(view, queue, unknown);
      break;
    case 5:
      (void)decode_configure(view, queue, unknown);
      break;
    case 6:
      (void)decode_pause(view, unknown);
      break;
    case 7:
      (void)decode_acknowledge(view, unknown);
      break;
    case 8:
      (void)decode_dead_filter(view, unknown);
      break;
    default:
      (void)decode_worker_call(view, which % 2 == 0, unknown);
      break;
  }
}

}  // namespace
}  // namespace sluice::broker

// The first byte says which call it is the body of.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice::broker;
  if (size == 0) return 0;
  std::string body(reinterpret_cast<const char*>(data) + 1, size - 1);
  static JsonValidator validator;
  if (!validator.check(body)) return 0;

  const JsonView view(body);
  check_view(validator, view);
  decode_one(view, (data[0] & 0x7F) % 11,
             data[0] & 0x80 ? UnknownMembers::kIgnore : UnknownMembers::kRefuse);
  return 0;
}
