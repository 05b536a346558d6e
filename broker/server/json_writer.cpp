#include "broker/server/json_writer.h"

#include <array>
#include <cmath>

namespace sluice::broker {

void JsonWriter::separate() {
  if (out_.empty()) return;
  const char last = out_.back();
  if (last != '{' && last != '[' && last != ':' && last != '\n') out_.push_back(',');
}

JsonWriter& JsonWriter::open(char bracket) {
  separate();
  out_.push_back(bracket);
  return *this;
}

JsonWriter& JsonWriter::close(char bracket) {
  out_.push_back(bracket);
  return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
  separate();
  append_string(name);
  out_.push_back(':');
  return *this;
}

JsonWriter& JsonWriter::value(std::string_view text) {
  separate();
  append_string(text);
  return *this;
}

JsonWriter& JsonWriter::value(bool fact) {
  return raw(fact ? "true" : "false");
}

JsonWriter& JsonWriter::value(double number) {
  if (!std::isfinite(number)) return raw("0");
  std::array<char, 32> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  return raw({digits.data(), static_cast<std::size_t>(end - digits.data())});
}

JsonWriter& JsonWriter::raw(std::string_view json) {
  separate();
  out_.append(json);
  return *this;
}

// What cannot stand in a JSON string as it is: quotes, backslashes and control characters. Bytes
// from 0x80 are UTF-8 that was checked when it came in.
void JsonWriter::append_string(std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out_.push_back('"');
  std::size_t plain_from = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 && c != '"' && c != '\\') continue;
    out_.append(text.substr(plain_from, i - plain_from));
    plain_from = i + 1;
    out_.push_back('\\');
    switch (c) {
      case '\n':
        out_.push_back('n');
        break;
      case '\t':
        out_.push_back('t');
        break;
      case '\r':
        out_.push_back('r');
        break;
      case '"':
      case '\\':
        out_.push_back(static_cast<char>(c));
        break;
      default:
        out_.append("u00");
        out_.push_back(kHex[c >> 4]);
        out_.push_back(kHex[c & 15]);
    }
  }
  out_.append(text.substr(plain_from));
  out_.push_back('"');
}

}  // namespace sluice::broker
