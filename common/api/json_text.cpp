#include "common/api/json_text.h"

#include <nlohmann/json.hpp>

#include "common/base/check.h"

namespace sluice::api {
namespace {

using nlohmann::json;

// Walks over the values of a text that is known to be valid JSON.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) { skip_space(); }

  // Past `c` and the space behind it, when it comes next.
  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    skip_space();
    return true;
  }

  // The value that comes next, without the space around it.
  std::string_view value() {
    const std::size_t start = at_;
    if (at_ < text_.size()) {
      const char first = text_[at_];
      if (first == '"') {
        skip_string();
      } else if (first == '{' || first == '[') {
        skip_nested();
      } else {
        at_ = std::min(text_.find_first_of(",]} \t\r\n", at_), text_.size());
      }
    }
    const std::string_view found = text_.substr(start, at_ - start);
    skip_space();
    return found;
  }

 private:
  void skip_space() { at_ = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size()); }

  void skip_string() {
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (text_[at_] == '\\') ++at_;
    }
    at_ = std::min(at_ + 1, text_.size());
  }

  void skip_nested() {
    std::size_t depth = 0;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '"') {
        skip_string();
        continue;
      }
      ++at_;
      if (c == '{' || c == '[') ++depth;
      if ((c == '}' || c == ']') && --depth == 0) return;
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

// A key from its text, which is in quotes.
std::string key_of(std::string_view quoted) {
  if (quoted.find('\\') == std::string_view::npos) {
    return std::string(quoted.substr(1, quoted.size() - 2));
  }
  const json key = json::parse(quoted, nullptr, /*allow_exceptions=*/false);
  return key.is_string() ? key.get<std::string>() : std::string{};
}

// Calls take(quoted key, value) for each member.
template <typename Take>
void each_member(std::string_view object, const Take& take) {
  Scanner scanner(object);
  if (!scanner.take('{')) return;
  do {
    const std::string_view key = scanner.value();
    if (!scanner.take(':')) return;  // an empty object
    take(key, scanner.value());
  } while (scanner.take(','));
}

}  // namespace

std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string with_member(std::string object, std::string_view name, std::string_view value_json) {
  CHECK(object.starts_with('{') && object.ends_with('}'));
  object.pop_back();
  if (object.size() > 1) object += ',';
  object += dump(json(name));
  object += ':';
  object += value_json;
  object += '}';
  return object;
}

std::optional<std::string_view> member_text(std::string_view object, std::string_view name) {
  std::optional<std::string_view> found;
  each_member(object, [&](std::string_view key, std::string_view value) {
    if (key_of(key) == name) found = value;
  });
  return found;
}

std::vector<std::pair<std::string, std::string_view>> member_texts(std::string_view object) {
  std::vector<std::pair<std::string, std::string_view>> members;
  each_member(object, [&](std::string_view key, std::string_view value) {
    members.emplace_back(key_of(key), value);
  });
  return members;
}

std::vector<std::string_view> item_texts(std::string_view array) {
  Scanner scanner(array);
  std::vector<std::string_view> items;
  if (!scanner.take('[') || scanner.take(']')) return items;
  do {
    items.push_back(scanner.value());
  } while (scanner.take(','));
  return items;
}

}  // namespace sluice::api
