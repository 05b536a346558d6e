#include "cli/raw_json.h"

#include <algorithm>
#include <cstddef>

namespace sluice::cli {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

// Walks over text that is known to be JSON: it looks for ends, and checks nothing.
class Walk {
 public:
  explicit Walk(std::string_view text) : text_(text) { skip_blanks(); }

  // Whether `mark` comes next; then it is passed, with the blanks behind it.
  bool take(char mark) {
    if (at_ >= text_.size() || text_[at_] != mark) return false;
    ++at_;
    skip_blanks();
    return true;
  }

  // The value that comes next, which is passed with the blanks behind it.
  std::string_view take_value() {
    const std::size_t begin = at_;
    std::size_t depth = 0;
    do {
      const char c = at_ < text_.size() ? text_[at_] : '\0';
      if (c == '"') {
        skip_string();
      } else if (c == '{' || c == '[') {
        ++depth;
        ++at_;
      } else if (c == '}' || c == ']') {
        --depth;
        ++at_;
      } else if (depth > 0) {
        ++at_;
      } else {
        at_ = std::min(text_.find_first_of(",]} \t\r\n", at_), text_.size());
      }
    } while (depth > 0 && at_ < text_.size());
    const std::string_view value = text_.substr(begin, at_ - begin);
    skip_blanks();
    return value;
  }

 private:
  void skip_blanks() { at_ = std::min(text_.find_first_not_of(kBlanks, at_), text_.size()); }
  void skip_string() {
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (text_[at_] == '\\') ++at_;
    }
    ++at_;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

std::vector<RawMember> raw_members(std::string_view text) {
  std::vector<RawMember> members;
  Walk walk(text);
  if (!walk.take('{') || walk.take('}')) return members;
  do {
    std::string_view name = walk.take_value();
    name.remove_prefix(1);
    name.remove_suffix(1);
    walk.take(':');
    members.push_back({.name = name, .value = walk.take_value()});
  } while (walk.take(','));
  return members;
}

std::vector<std::string_view> raw_elements(std::string_view text) {
  std::vector<std::string_view> elements;
  Walk walk(text);
  if (!walk.take('[') || walk.take(']')) return elements;
  do {
    elements.push_back(walk.take_value());
  } while (walk.take(','));
  return elements;
}

std::string_view raw_member(const std::vector<RawMember>& members, std::string_view name) {
  for (const RawMember& member : members) {
    if (member.name == name) return member.value;
  }
  return {};
}

}  // namespace sluice::cli
