#include "common/base/log_escape.h"

#include <cstddef>
#include <cstdint>

namespace sluice {
namespace {

constexpr std::uint32_t kReplacement = 0xFFFD;

struct Decoded {
  std::uint32_t code_point;
  std::size_t bytes;  // 1 for a byte that begins no valid sequence
  bool valid;
};

// The first code point of `text`, which is not empty.
Decoded decode_utf8(std::string_view text) {
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1, true};

  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return {kReplacement, 1, false};
  std::uint32_t code_point = lead & (0xFFu >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {kReplacement, 1, false};
    code_point = code_point << 6 | (byte(i) & 0x3Fu);
  }
  const bool overlong =
      (length == 3 && code_point < 0x800) || (length == 4 && code_point < 0x10000);
  const bool surrogate = code_point >= 0xD800 && code_point <= 0xDFFF;
  if (overlong || surrogate || code_point > 0x10FFFF) return {kReplacement, 1, false};
  return {code_point, length, true};
}

// Whether some reader of lines or terminal would act on it.
bool is_unsafe(std::uint32_t code_point) {
  return code_point < 0x20 || (code_point >= 0x7F && code_point <= 0x9F) || code_point == 0x2028 ||
         code_point == 0x2029;
}

void append_escape(std::string& out, std::uint32_t code_point) {
  switch (code_point) {
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      break;
  }
  constexpr char kHex[] = "0123456789abcdef";
  out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) {
    out += kHex[(code_point >> shift) & 0xF];
  }
}

void append_escaped(std::string& out, std::string_view text, bool quoted) {
  while (!text.empty()) {
    const Decoded next = decode_utf8(text);
    if (!next.valid || is_unsafe(next.code_point)) {
      append_escape(out, next.code_point);
    } else {
      if (quoted && (next.code_point == '"' || next.code_point == '\\')) out += '\\';
      out.append(text.substr(0, next.bytes));
    }
    text.remove_prefix(next.bytes);
  }
}

bool stands_bare(std::string_view value) {
  if (value.empty()) return false;
  while (!value.empty()) {
    const Decoded next = decode_utf8(value);
    if (!next.valid || is_unsafe(next.code_point) || next.code_point == ' ' ||
        next.code_point == '"' || next.code_point == '\\' || next.code_point == '=') {
      return false;
    }
    value.remove_prefix(next.bytes);
  }
  return true;
}

}  // namespace

void append_text_escaped(std::string& out, std::string_view text) {
  append_escaped(out, text, /*quoted=*/false);
}

void append_text_value(std::string& out, std::string_view value) {
  if (stands_bare(value)) {
    out += value;
    return;
  }
  append_json_string(out, value);
}

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  append_escaped(out, text, /*quoted=*/true);
  out += '"';
}

bool is_json_literal(std::string_view value) {
  if (value == "true" || value == "false") return true;
  if (value.starts_with('-')) value.remove_prefix(1);
  return !value.empty() && value.front() >= '0' && value.front() <= '9';
}

}  // namespace sluice
