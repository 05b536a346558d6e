#include "broker/server/json_view.h"

#include <simdjson.h>

#include <charconv>

#include "broker/server/limits.h"

namespace sluice::broker {
namespace {

// A producer's payload may be as deep as the limit; it stands inside the request's own brackets.
constexpr std::size_t kDocumentDepthMax = limits::kJsonDepthMax + 4;
// A parser that once met a big batch gives the memory back.
constexpr std::size_t kKeptCapacityBytes = 1024 * 1024;

bool is_space(char c) {
  return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

// The index behind the string that starts at `at`.
std::size_t end_of_string(std::string_view text, std::size_t at) {
  for (;;) {
    at = text.find('"', at + 1);
    // A quote behind an odd number of backslashes is part of the string.
    std::size_t backslashes = 0;
    while (text[at - 1 - backslashes] == '\\') ++backslashes;
    if (backslashes % 2 == 0) return at + 1;
  }
}

std::size_t end_of_value(std::string_view text, std::size_t at) {
  if (text[at] == '"') return end_of_string(text, at);
  if (text[at] != '{' && text[at] != '[') {
    return std::min(text.find_first_of(",]} \n\t\r", at), text.size());
  }
  for (std::size_t depth = 0;;) {
    switch (text[at]) {
      case '"':
        at = end_of_string(text, at);
        continue;
      case '{':
      case '[':
        ++depth;
        break;
      case '}':
      case ']':
        if (--depth == 0) return at + 1;
        break;
      default:
        break;
    }
    ++at;
  }
}

unsigned hex4(std::string_view digits) {
  unsigned value = 0;
  std::from_chars(digits.data(), digits.data() + 4, value, 16);
  return value;
}

void append_utf8(unsigned code, std::string& out) {
  const auto byte = [&](unsigned b) { out.push_back(static_cast<char>(b)); };
  if (code < 0x80) return byte(code);
  if (code < 0x800) {
    byte(0xC0 | code >> 6);
  } else {
    if (code < 0x10000) {
      byte(0xE0 | code >> 12);
    } else {
      byte(0xF0 | code >> 18);
      byte(0x80 | (code >> 12 & 0x3F));
    }
    byte(0x80 | (code >> 6 & 0x3F));
  }
  byte(0x80 | (code & 0x3F));
}

// Appends what the escape at `at` (behind its backslash) stands for; the index behind it.
std::size_t append_escape(std::string_view text, std::size_t at, std::string& out) {
  switch (text[at]) {
    case 'n':
      out.push_back('\n');
      return at + 1;
    case 't':
      out.push_back('\t');
      return at + 1;
    case 'r':
      out.push_back('\r');
      return at + 1;
    case 'b':
      out.push_back('\b');
      return at + 1;
    case 'f':
      out.push_back('\f');
      return at + 1;
    case 'u':
      break;
    default:
      out.push_back(text[at]);
      return at + 1;
  }
  unsigned code = hex4(text.substr(at + 1));
  at += 5;
  if (code >= 0xD800 && code < 0xDC00) {  // the other half follows: the validator saw to it
    code = 0x10000 + ((code - 0xD800) << 10) + (hex4(text.substr(at + 2)) - 0xDC00);
    at += 6;
  }
  append_utf8(code, out);
  return at;
}

}  // namespace

class JsonValidator::Parser {
 public:
  simdjson::error_code check(std::string& body) {
    body.reserve(body.size() + simdjson::SIMDJSON_PADDING);
    // The depth is part of a parser's capacity, so that is grown here and not by parse().
    if (parser_.capacity() < body.size() || parser_.max_depth() != kDocumentDepthMax) {
      const auto error =
          parser_.allocate(std::max<std::size_t>(body.size(), 4096), kDocumentDepthMax);
      if (error) return error;
    }
    const auto error = parser_.parse(body.data(), body.size(), false).error();
    if (parser_.capacity() > kKeptCapacityBytes) parser_ = simdjson::dom::parser{};
    return error;
  }

 private:
  simdjson::dom::parser parser_;
};

JsonValidator::JsonValidator() : parser_(std::make_unique<Parser>()) {}
JsonValidator::~JsonValidator() = default;

Status JsonValidator::check(std::string& body) {
  const auto error = parser_->check(body);
  if (!error) return Ok{};
  if (error == simdjson::DEPTH_ERROR) {
    return Error{ErrorCode::kInvalidArgument, "the JSON is nested too deep"};
  }
  return Error{ErrorCode::kInvalidArgument,
               std::string{"the body is not valid JSON: "} + simdjson::error_message(error)};
}

JsonView::JsonView(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  raw_ = text;
}

JsonView::Kind JsonView::kind() const {
  switch (raw_.front()) {
    case '{':
      return Kind::kObject;
    case '[':
      return Kind::kArray;
    case '"':
      return Kind::kString;
    case 't':
    case 'f':
      return Kind::kBool;
    case 'n':
      return Kind::kNull;
    default:
      return Kind::kNumber;
  }
}

std::size_t JsonView::depth() const {
  std::size_t depth = 0;
  std::size_t deepest = 0;
  for (std::size_t at = 0; at < raw_.size();) {
    const char c = raw_[at];
    if (c == '"') {
      at = end_of_string(raw_, at);
      continue;
    }
    if (c == '{' || c == '[') deepest = std::max(deepest, ++depth);
    if (c == '}' || c == ']') --depth;
    ++at;
  }
  return deepest;
}

std::optional<bool> JsonView::boolean() const {
  if (kind() != Kind::kBool) return {};
  return raw_.front() == 't';
}

std::optional<std::int64_t> JsonView::integer() const {
  std::int64_t value = 0;
  const auto end = raw_.data() + raw_.size();
  const auto [stop, error] = std::from_chars(raw_.data(), end, value);
  if (kind() != Kind::kNumber || error != std::errc{} || stop != end) return {};
  return value;
}

std::optional<double> JsonView::number() const {
  double value = 0;
  const auto end = raw_.data() + raw_.size();
  const auto [stop, error] = std::from_chars(raw_.data(), end, value);
  if (kind() != Kind::kNumber || error != std::errc{} || stop != end) return {};
  return value;
}

std::optional<std::string> JsonView::string() const {
  if (kind() != Kind::kString) return {};
  std::string scratch;
  return std::string{unescape(raw_, scratch)};
}

std::optional<JsonView> JsonView::next_value(std::size_t& at) const {
  while (is_space(raw_[at]) || raw_[at] == ',' || raw_[at] == ':') ++at;
  if (raw_[at] == '}' || raw_[at] == ']') return {};
  const std::size_t from = at;
  at = end_of_value(raw_, from);
  return JsonView{raw_.substr(from, at - from), Exact{}};
}

std::string_view JsonView::unescape(std::string_view quoted, std::string& scratch) {
  const std::string_view text = quoted.substr(1, quoted.size() - 2);
  if (text.find('\\') == std::string_view::npos) return text;
  scratch.clear();
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] == '\\') {
      at = append_escape(text, at + 1, scratch);
    } else {
      scratch.push_back(text[at++]);
    }
  }
  return scratch;
}

void JsonView::append_compact(std::string& out) const {
  for (std::size_t at = 0; at < raw_.size();) {
    if (raw_[at] == '"') {
      const std::size_t end = end_of_string(raw_, at);
      out.append(raw_.substr(at, end - at));
      at = end;
    } else {
      if (!is_space(raw_[at])) out.push_back(raw_[at]);
      ++at;
    }
  }
}

}  // namespace sluice::broker
