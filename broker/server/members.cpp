#include "broker/server/members.h"

#include <algorithm>

namespace sluice::broker {

Error at_member(std::string_view name, Error error) {
  // A message that already names its member keeps its words; only the path grows.
  if (error.field.empty()) {
    error.message = std::string{name}.append(": ").append(error.message);
    error.field = name;
  } else {
    const std::string_view join = error.field.starts_with('[') ? "" : ".";
    error.message = std::string{name}.append(join).append(error.message);
    error.field = std::string{name}.append(join).append(error.field);
  }
  return error;
}

Error must_be(std::string what) {
  return {ErrorCode::kInvalidArgument, std::move(what)};
}

Result<bool> read_bool(JsonView value) {
  if (const auto fact = value.boolean()) return *fact;
  return must_be("must be true or false");
}

Result<int> read_int(JsonView value, int low, int high) {
  const auto number = value.integer();
  if (number && *number >= low && *number <= high) return static_cast<int>(*number);
  return must_be("must be a whole number between " + std::to_string(low) + " and " +
                 std::to_string(high));
}

Result<std::int64_t> read_int64(JsonView value, std::int64_t low) {
  const auto number = value.integer();
  if (number && *number >= low) return *number;
  return must_be("must be a whole number of at least " + std::to_string(low));
}

Result<std::string> read_name(JsonView value, std::size_t bytes_max) {
  auto text = value.string();
  const bool good = text && !text->empty() && text->size() <= bytes_max &&
                    std::none_of(text->begin(), text->end(),
                                 [](unsigned char c) { return c < 0x20 || c == 0x7F; });
  if (good) return *std::move(text);
  return must_be("must be a string of 1 to " + std::to_string(bytes_max) +
                 " bytes without control characters");
}

Result<std::string> read_text(JsonView value, std::size_t bytes_max) {
  auto text = value.string();
  if (text && text->size() <= bytes_max) return *std::move(text);
  return must_be("must be a string of at most " + std::to_string(bytes_max) + " bytes");
}

Result<TimePoint> read_time(JsonView value) {
  const auto text = value.string();
  if (const auto time = text ? parse_rfc3339(*text) : std::nullopt) return *time;
  return must_be("must be an RFC 3339 time, as \"2026-01-31T09:00:00Z\"");
}

Result<Uuid> read_uuid(JsonView value) {
  const auto text = value.string();
  const auto id = text ? parse_uuid(*text) : std::nullopt;
  if (id && !id->is_nil()) return *id;
  return must_be("must be a UUID");
}

}  // namespace sluice::broker
