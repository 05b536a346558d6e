// Typed reading of one JSON object: bounds, unknown members, and every mistake with its path.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/api/decode.h"
#include "common/api/document.h"
#include "common/base/clock.h"

namespace sluice::api {

struct WholeRange {
  std::int64_t min;
  std::int64_t max;
};

struct SizeRange {
  std::size_t min;
  std::size_t max;
};

// Reads the members of one object; null counts as absent. A member that is wrong is reported and
// its default stays. Every read makes a name known; finish() reports the members that are not. A
// number such as 2.0 is whole: the API server cannot tell it from 2.
// Names given to it must be literals: they are kept as views.
class FieldReader {
 public:
  // An `object` that is none is reported, and reads as empty; nothing else is said of it.
  FieldReader(const nlohmann::json& object, std::string path, Document& document,
              UnknownMembers unknown);

  const std::string& path() const { return path_; }
  const nlohmann::json& raw() const { return *object_; }

  bool has(std::string_view name) const;
  void require(std::string_view name);

  template <typename T>  // an integer, or an optional one
  void whole(std::string_view name, WholeRange range, T& out) {
    if (const auto number = read_whole(name, range)) out = narrow(*number, out);
  }
  void flag(std::string_view name, bool& out);
  void text(std::string_view name, SizeRange characters, std::string& out);
  void time(std::string_view name, std::optional<TimePoint>& out);
  // One of the enum's values, by its to_string().
  template <typename E>
  void choice(std::string_view name, std::initializer_list<E> values, E& out) {
    std::vector<std::string_view> names;
    for (const E value : values) names.push_back(to_string(value));
    if (const auto index = read_choice(name, names)) out = values.begin()[*index];
  }

  // The member as it is, or null.
  const nlohmann::json* member(std::string_view name);
  // The member's own reader, when it is there.
  std::optional<FieldReader> object(std::string_view name);
  // Each item of a list, with its path. Nothing is read of a list of the wrong length.
  void each(std::string_view name, SizeRange items,
            const std::function<void(const nlohmann::json& item, const std::string& path)>& read);
  // Each member of a map from strings; null is as good as none.
  void each_member(std::string_view name, SizeRange members, std::size_t key_characters_max,
                   const std::function<void(const std::string& key, const nlohmann::json& value,
                                            const std::string& path)>& read);

  // Values outside of an object, such as list items; absent after reporting what is wrong.
  std::optional<std::int64_t> whole_at(const nlohmann::json& value, const std::string& path,
                                       WholeRange range);
  std::optional<std::string> text_at(const nlohmann::json& value, const std::string& path,
                                     SizeRange characters);
  FieldReader reader_at(const nlohmann::json& value, const std::string& path);

  void error(std::string_view name, std::string message);  // about a member
  void error_at(const std::string& path, std::string message);

  void finish();

 private:
  template <typename T>
  static T narrow(std::int64_t number, const T&) {
    return static_cast<T>(number);
  }
  template <typename T>
  static std::optional<T> narrow(std::int64_t number, const std::optional<T>&) {
    return static_cast<T>(number);
  }
  std::optional<std::int64_t> read_whole(std::string_view name, WholeRange range);
  std::optional<std::size_t> read_choice(std::string_view name,
                                         const std::vector<std::string_view>& names);

  const nlohmann::json* object_;
  bool is_object_ = true;
  std::string path_;
  Document& document_;
  UnknownMembers unknown_;
  std::vector<std::string_view> known_;
};

// A value for a message: strings quoted and cut, lists and maps by their kind.
std::string show(const nlohmann::json& value);

// The candidate that a slip of the fingers would turn into `name`; empty when none is near.
std::string_view nearest(std::string_view name, const std::vector<std::string_view>& candidates);

}  // namespace sluice::api
