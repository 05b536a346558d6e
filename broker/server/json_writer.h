// Appends JSON to a string: no tree, no allocation but the string's own.
#pragma once

#include <charconv>
#include <concepts>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/clock.h"

namespace sluice::broker {

// Commas are placed by looking at what was written last, so calls need no bookkeeping:
//
//   JsonWriter w(out);
//   w.begin_object().member("id", id).key("jobs").begin_array().end_array().end_object();
//
// Invariant: the caller nests correctly; nothing here checks it.
class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(out) {}

  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }

  JsonWriter& key(std::string_view name);
  JsonWriter& value(std::string_view text);
  JsonWriter& value(const char* text) { return value(std::string_view{text}); }
  JsonWriter& value(bool fact);
  JsonWriter& value(double number);
  JsonWriter& value(TimePoint time) { return value(std::string_view{format_rfc3339(time)}); }
  template <std::integral Integer>
    requires(!std::same_as<Integer, bool>)
  JsonWriter& value(Integer number) {
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
    return raw({digits, static_cast<std::size_t>(end - digits)});
  }
  // `json` is valid JSON text, appended as it is.
  JsonWriter& raw(std::string_view json);

  template <typename T>
  JsonWriter& member(std::string_view name, const T& of) {
    return key(name).value(of);
  }
  // Left out when absent.
  template <typename T>
  JsonWriter& member(std::string_view name, const std::optional<T>& of) {
    return of ? key(name).value(*of) : *this;
  }
  // Left out when empty.
  JsonWriter& member_if_set(std::string_view name, std::string_view text) {
    return text.empty() ? *this : key(name).value(text);
  }

 private:
  void separate();
  JsonWriter& open(char bracket);
  JsonWriter& close(char bracket);
  void append_string(std::string_view text);

  std::string& out_;
};

}  // namespace sluice::broker
