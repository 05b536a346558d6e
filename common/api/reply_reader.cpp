#include "common/api/reply_reader.h"

#include <limits>
#include <nlohmann/json.hpp>

namespace sluice::api {
namespace {

using nlohmann::json;

Error corrupt(std::string message) {
  return {.code = ErrorCode::kCorruption, .message = std::move(message)};
}

}  // namespace

ReplyReader::ReplyReader(const json& object, std::optional<Error>& failure)
    : object_(&object), failure_(&failure) {
  if (!object.is_object() && !failure)
    failure = corrupt("the answer has a value that is no object");
}

const json* ReplyReader::find(std::string_view name) const {
  if (!object_->is_object()) return nullptr;
  const auto found = object_->find(name);
  return found == object_->end() || found->is_null() ? nullptr : &*found;
}

void ReplyReader::fail(std::string_view name, std::string_view what) {
  if (*failure_) return;
  *failure_ = corrupt("the answer's member \"" + std::string(name) + "\" " + std::string(what));
  (*failure_)->field = name;
}

void ReplyReader::require(std::string_view name) {
  if (!has(name)) fail(name, "is missing");
}

void ReplyReader::read(std::string_view name, std::string& out) {
  const json* const value = find(name);
  if (value == nullptr) return;
  if (!value->is_string()) return fail(name, "is not a string");
  out = value->get<std::string>();
}

void ReplyReader::read(std::string_view name, bool& out) {
  const json* const value = find(name);
  if (value == nullptr) return;
  if (!value->is_boolean()) return fail(name, "is not true or false");
  out = value->get<bool>();
}

void ReplyReader::read(std::string_view name, double& out) {
  const json* const value = find(name);
  if (value == nullptr) return;
  if (!value->is_number()) return fail(name, "is not a number");
  out = value->get<double>();
}

void ReplyReader::read(std::string_view name, std::int64_t& out) {
  const json* const value = find(name);
  if (value == nullptr) return;
  const bool too_large =
      value->is_number_unsigned() &&
      value->get<std::uint64_t>() > std::uint64_t{std::numeric_limits<std::int64_t>::max()};
  if (!value->is_number_integer() || too_large) return fail(name, "is not a whole number");
  out = value->get<std::int64_t>();
}

void ReplyReader::read(std::string_view name, int& out) {
  std::int64_t number = out;
  read(name, number);
  if (number < std::numeric_limits<int>::min() || number > std::numeric_limits<int>::max()) {
    return fail(name, "is out of range");
  }
  out = static_cast<int>(number);
}

void ReplyReader::read(std::string_view name, std::optional<int>& out) {
  if (!has(name)) return;
  int number = 0;
  read(name, number);
  out = number;
}

void ReplyReader::read(std::string_view name, std::optional<TimePoint>& out) {
  std::string text;
  read(name, text);
  if (text.empty()) return;
  out = parse_rfc3339(text);
  if (!out) fail(name, "is not a time");
}

void ReplyReader::each(std::string_view name, const std::function<void(ReplyReader&)>& item) {
  const json* const value = find(name);
  if (value == nullptr) return;
  if (!value->is_array()) return fail(name, "is not a list");
  for (const json& one : *value) {
    ReplyReader reader(one, *failure_);
    item(reader);
  }
}

std::optional<ReplyReader> ReplyReader::object(std::string_view name) {
  const json* const value = find(name);
  if (value == nullptr) return std::nullopt;
  return ReplyReader(*value, *failure_);
}

Status read_reply(std::string_view text, const std::function<void(ReplyReader&)>& read) {
  const json reply = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!reply.is_object()) return corrupt("the answer is not a JSON object");
  std::optional<Error> failure;
  ReplyReader reader(reply, failure);
  read(reader);
  if (failure) return *std::move(failure);
  return Ok{};
}

}  // namespace sluice::api
