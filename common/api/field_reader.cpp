#include "common/api/field_reader.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/api/limits.h"

namespace sluice::api {
namespace {

using nlohmann::json;

constexpr std::size_t kShownBytesMax = 40;

const json& empty_object() {
  static const json* const empty = new json(json::object());
  return *empty;
}

std::string range_text(WholeRange range) {
  return "must be a whole number between " + std::to_string(range.min) + " and " +
         std::to_string(range.max);
}

std::string count_text(SizeRange range, std::string_view what) {
  std::string text = std::to_string(range.min);
  if (range.max != range.min) text += " to " + std::to_string(range.max);
  return text.append(" ").append(what);
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row[b.size()];
}

std::size_t characters_in(std::string_view utf8) {
  return static_cast<std::size_t>(std::count_if(utf8.begin(), utf8.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

}  // namespace

std::string show(const json& value) {
  if (value.is_object()) return "a mapping";
  if (value.is_array()) return "a list";
  std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  if (text.size() <= kShownBytesMax) return text;
  std::size_t cut = kShownBytesMax;
  while ((static_cast<unsigned char>(text[cut]) & 0xC0) == 0x80) --cut;  // whole characters only
  return text.substr(0, cut) + "…" + (value.is_string() ? "\"" : "");
}

std::string_view nearest(std::string_view name, const std::vector<std::string_view>& candidates) {
  constexpr std::size_t kNameBytesMax = 64;  // longer ones are no slip
  if (name.size() > kNameBytesMax) return {};
  const std::string lower = lower_case(name);
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(1, name.size() / 3) + 1;
  for (const std::string_view candidate : candidates) {
    const std::size_t distance = edit_distance(lower, lower_case(candidate));
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

FieldReader::FieldReader(const json& object, std::string path, Document& document,
                         UnknownMembers unknown)
    : object_(&object), path_(std::move(path)), document_(document), unknown_(unknown) {
  if (object.is_object()) return;
  error_at(path_, "must be a mapping, not " + show(object));
  object_ = &empty_object();
  is_object_ = false;
}

bool FieldReader::has(std::string_view name) const {
  const auto found = object_->find(name);
  return found != object_->end() && !found->is_null();
}

const json* FieldReader::member(std::string_view name) {
  known_.push_back(name);
  if (document_.fields_asked_for != nullptr) {
    document_.fields_asked_for->insert(child_path(path_, name));
  }
  const auto found = object_->find(name);
  return found == object_->end() || found->is_null() ? nullptr : &*found;
}

void FieldReader::require(std::string_view name) {
  if (!has(name)) error(name, "is required");
}

void FieldReader::error(std::string_view name, std::string message) {
  error_at(child_path(path_, name), std::move(message));
}

void FieldReader::error_at(const std::string& path, std::string message) {
  if (!is_object_) return;
  document_.add_error(document_.line_of(path), path, std::move(message));
}

std::optional<std::int64_t> FieldReader::whole_at(const json& value, const std::string& path,
                                                  WholeRange range) {
  // Unsigned ones are beyond 63 bits: the parsers make the others signed.
  if (value.is_number_integer() && !value.is_number_unsigned()) {
    const auto number = value.get<std::int64_t>();
    if (number >= range.min && number <= range.max) return number;
  }
  if (value.is_number_float()) {
    const auto number = value.get<double>();
    // Bounds are far inside of what a double holds exactly.
    if (std::trunc(number) == number && number >= static_cast<double>(range.min) &&
        number <= static_cast<double>(range.max)) {
      return static_cast<std::int64_t>(number);
    }
  }
  error_at(path, range_text(range) + ", not " + show(value));
  return std::nullopt;
}

std::optional<std::string> FieldReader::text_at(const json& value, const std::string& path,
                                                SizeRange characters) {
  if (!value.is_string()) {
    error_at(path, "must be a string, not " + show(value) +
                       (value.is_primitive() ? " (put it in quotes)" : ""));
    return std::nullopt;
  }
  const auto& text = value.get_ref<const std::string&>();
  const std::size_t size = characters_in(text);
  if (size < characters.min || size > characters.max) {
    error_at(path, text.empty() ? "must not be empty"
                                : "must have " + count_text(characters, "characters") + ", not " +
                                      std::to_string(size));
    return std::nullopt;
  }
  if (text.find('\0') != std::string::npos) {
    error_at(path, "must not hold a NUL character");
    return std::nullopt;
  }
  return text;
}

FieldReader FieldReader::reader_at(const json& value, const std::string& path) {
  return FieldReader(value, path, document_, unknown_);
}

std::optional<std::int64_t> FieldReader::read_whole(std::string_view name, WholeRange range) {
  const json* const value = member(name);
  if (value == nullptr) return std::nullopt;
  return whole_at(*value, child_path(path_, name), range);
}

std::optional<std::size_t> FieldReader::read_choice(std::string_view name,
                                                    const std::vector<std::string_view>& names) {
  const json* const value = member(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_string()) {
    const auto found = std::find(names.begin(), names.end(), value->get_ref<const std::string&>());
    if (found != names.end()) return static_cast<std::size_t>(found - names.begin());
  }
  std::string message = "must be ";
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) message += i + 1 == names.size() ? " or " : ", ";
    message += names[i];
  }
  error(name, message + ", not " + show(*value));
  return std::nullopt;
}

void FieldReader::flag(std::string_view name, bool& out) {
  const json* const value = member(name);
  if (value == nullptr) return;
  if (value->is_boolean()) {
    out = value->get<bool>();
  } else {
    error(name, "must be true or false, not " + show(*value));
  }
}

void FieldReader::text(std::string_view name, SizeRange characters, std::string& out) {
  const json* const value = member(name);
  if (value == nullptr) return;
  if (auto text = text_at(*value, child_path(path_, name), characters)) out = std::move(*text);
}

void FieldReader::time(std::string_view name, std::optional<TimePoint>& out) {
  const json* const value = member(name);
  if (value == nullptr) return;
  if (value->is_string()) {
    const auto& text = value->get_ref<const std::string&>();
    if (text.size() <= kTimeCharactersMax) out = parse_rfc3339(text);
    if (out) return;
  }
  error(name, "must be a time such as \"2026-11-22T16:00:00Z\", not " + show(*value));
}

std::optional<FieldReader> FieldReader::object(std::string_view name) {
  const json* const value = member(name);
  if (value == nullptr) return std::nullopt;
  return reader_at(*value, child_path(path_, name));
}

void FieldReader::each(std::string_view name, SizeRange items,
                       const std::function<void(const json&, const std::string&)>& read) {
  const json* const value = member(name);
  if (value == nullptr) return;
  if (!value->is_array()) {
    error(name, "must be a list, not " + show(*value));
    return;
  }
  if (value->size() < items.min || value->size() > items.max) {
    error(name,
          "must have " + count_text(items, "items") + ", not " + std::to_string(value->size()));
    return;
  }
  const std::string list_path = child_path(path_, name);
  for (std::size_t i = 0; i < value->size(); ++i) read((*value)[i], child_path(list_path, i));
}

void FieldReader::each_member(
    std::string_view name, SizeRange members, std::size_t key_characters_max,
    const std::function<void(const std::string&, const json&, const std::string&)>& read) {
  const json* const value = member(name);
  if (value == nullptr) return;
  if (!value->is_object()) {
    error(name, "must be a mapping, not " + show(*value));
    return;
  }
  if (value->size() < members.min || value->size() > members.max) {
    error(name,
          "must have " + count_text(members, "members") + ", not " + std::to_string(value->size()));
    return;
  }
  const std::string map_path = child_path(path_, name);
  for (const auto& [key, one] : value->items()) {
    if (one.is_null()) continue;
    if (key.empty() || characters_in(key) > key_characters_max) {
      error(name, "must have keys of 1 to " + std::to_string(key_characters_max) + " characters");
      continue;
    }
    read(key, one, child_path(map_path, key));
  }
}

void FieldReader::finish() {
  if (unknown_ == UnknownMembers::kIgnore) return;
  for (const auto& [name, value] : object_->items()) {
    if (std::find(known_.begin(), known_.end(), name) != known_.end()) continue;
    const std::string_view meant = nearest(name, known_);
    std::string message = "is not a field";
    if (!meant.empty()) message.append(" (did you mean ").append(meant).append("?)");
    error(name, std::move(message));
  }
}

}  // namespace sluice::api
