// Values inside a body that was found to be valid JSON, each with its exact bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace sluice::broker {

// Accepts what RFC 8259 calls JSON and nothing else: UTF-8 without lone surrogates, finite numbers,
// integers of at most 64 bits, bounded depth.
//
// Threads: not synchronized; one a network thread.
class JsonValidator {
 public:
  JsonValidator();
  ~JsonValidator();

  // May grow the capacity of `body`, not change it. kInvalidArgument.
  Status check(std::string& body);

 private:
  class Parser;
  std::unique_ptr<Parser> parser_;
};

// A value's extent inside a checked body, which outlives it. Reading it again from there is cheap,
// keeps the producer's bytes and needs no tree.
class JsonView {
 public:
  enum class Kind { kNull, kBool, kNumber, kString, kArray, kObject };

  // Requires: `text` is valid JSON; white space around the value is cut off.
  explicit JsonView(std::string_view text);

  std::string_view raw() const { return raw_; }
  Kind kind() const;
  // How deep arrays and objects nest; 0 for a scalar.
  std::size_t depth() const;

  // Absent when the value is of another kind (or, for integer(), not written as a whole number).
  std::optional<bool> boolean() const;
  std::optional<std::int64_t> integer() const;
  std::optional<double> number() const;
  std::optional<std::string> string() const;

  // visit(std::string_view name, JsonView value), in order, until it returns false. Names are
  // unescaped and live for the call. Requires: an object.
  template <typename Visit>
  void for_each_member(Visit visit) const {
    std::size_t at = 1;
    std::string scratch;
    while (const auto name = next_value(at)) {
      const auto value = next_value(at);
      if (!visit(unescape(name->raw_, scratch), *value)) return;
    }
  }
  // visit(JsonView element), in order, until it returns false. Requires: an array.
  template <typename Visit>
  void for_each_element(Visit visit) const {
    std::size_t at = 1;
    while (const auto element = next_value(at)) {
      if (!visit(*element)) return;
    }
  }

  // The value without white space between its tokens, appended.
  void append_compact(std::string& out) const;

 private:
  struct Exact {};
  JsonView(std::string_view raw, Exact) : raw_(raw) {}
  // The value that starts at or after `at`, which is moved behind it; absent at the end.
  std::optional<JsonView> next_value(std::size_t& at) const;
  static std::string_view unescape(std::string_view quoted, std::string& scratch);

  std::string_view raw_;
};

}  // namespace sluice::broker
