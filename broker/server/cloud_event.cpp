#include "broker/server/cloud_event.h"

#include <algorithm>

#include "broker/server/idempotency.h"
#include "broker/server/json_writer.h"
#include "broker/server/limits.h"
#include "broker/server/router.h"

namespace sluice::broker {
namespace {

constexpr std::string_view kMediaType = "application/cloudevents+json";
constexpr std::string_view kSpecVersion = "1.0";

// The attributes every event has.
struct Context {
  std::string specversion;
  std::string id;
  std::string source;
  std::string type;
};

std::string* attribute(Context& context, std::string_view name) {
  if (name == "specversion") return &context.specversion;
  if (name == "id") return &context.id;
  if (name == "source") return &context.source;
  if (name == "type") return &context.type;
  return nullptr;
}

Result<Context> read_context(JsonView event) {
  if (event.kind() != JsonView::Kind::kObject) return must_be("the event must be an object");
  Context context;
  std::optional<Error> error;
  event.for_each_member([&](std::string_view name, JsonView value) {
    std::string* const into = attribute(context, name);
    if (into == nullptr) return true;
    if (!into->empty()) {
      error = at_member(name, must_be("is given twice"));
    } else if (auto status = assign(read_name(value, limits::kEventAttributeBytesMax), *into);
               !status) {
      error = at_member(name, std::move(status).error());
    }
    return !error;
  });
  if (error) return *std::move(error);
  for (const std::string_view name : {"specversion", "id", "source", "type"}) {
    if (attribute(context, name)->empty()) return at_member(name, must_be("is required"));
  }
  if (context.specversion != kSpecVersion) {
    return at_member("specversion", must_be("must be \"1.0\""));
  }
  return context;
}

bool is_attribute_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
  });
}

}  // namespace

bool is_cloud_event(std::string_view content_type) {
  std::string_view type = content_type.substr(0, content_type.find(';'));
  while (type.ends_with(' ') || type.ends_with('\t')) type.remove_suffix(1);
  return std::equal(
      type.begin(), type.end(), kMediaType.begin(), kMediaType.end(),
      [](char a, char b) { return (a >= 'A' && a <= 'Z' ? static_cast<char>(a | 0x20) : a) == b; });
}

Result<std::string> to_structured_event(const EventHeaders& headers, std::string_view data) {
  std::string event;
  JsonWriter json(event);
  json.begin_object();
  for (const auto& [name, value] : headers) {
    const auto text = percent_decode(value);
    if (!is_attribute_name(name) || name == "data" || !text) {
      return Error{ErrorCode::kInvalidArgument, "ce-" + name + ": is no attribute of an event",
                   "ce-" + name};
    }
    json.member(name, std::string_view{*text});
  }
  json.member("datacontenttype", "application/json").key("data").raw(data).end_object();
  return event;
}

Result<NewJob> decode_cloud_event(JsonView event, const DecodeJobOptions& options) {
  auto context = read_context(event);
  if (!context) return std::move(context).error();
  if (std::cmp_greater(event.raw().size(), options.payload_bytes_max)) {
    return Error{ErrorCode::kTooLarge, "the event has " + std::to_string(event.raw().size()) +
                                           " bytes; the queue takes " +
                                           std::to_string(options.payload_bytes_max)};
  }
  NewJob job;
  job.payload = event.raw();
  if (is_traceparent(options.traceparent)) job.traceparent = options.traceparent;
  // Source and id together name an event; no source holds a line break.
  const std::string key =
      options.idempotency_key ? *options.idempotency_key : context->source + '\n' + context->id;
  job.idempotency = IdempotencyKey{.key = hash128(key), .content = content_hash(event)};
  return job;
}

}  // namespace sluice::broker
