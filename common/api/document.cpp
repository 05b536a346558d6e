#include "common/api/document.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/api/limits.h"
#include "common/api/tree_builder.h"

namespace sluice::api {
namespace {

using nlohmann::json;

// Reads a text for nlohmann's lexer and knows the line of what was read.
class LineCounter {
 public:
  explicit LineCounter(std::string_view text) : text_(text) {}

  // Of the token that ended `position` characters into the text. The lexer may have read one
  // character more, which is not counted.
  int line_at(std::size_t position) {
    const std::size_t end = position == 0 ? 0 : position - 1;
    line_ += static_cast<int>(std::count(text_.begin() + static_cast<std::ptrdiff_t>(counted_),
                                         text_.begin() + static_cast<std::ptrdiff_t>(end), '\n'));
    counted_ = end;
    return line_;
  }

 private:
  std::string_view text_;
  std::size_t counted_ = 0;
  int line_ = 1;
};

// A pointer that tells somebody else how far it came.
class TrackedIterator {
 public:
  using iterator_category = std::forward_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  TrackedIterator(const char* at, std::size_t* read) : at_(at), read_(read) {}

  reference operator*() const { return *at_; }
  TrackedIterator& operator++() {
    ++at_;
    ++*read_;
    return *this;
  }
  TrackedIterator operator++(int) {
    TrackedIterator before = *this;
    ++*this;
    return before;
  }
  friend bool operator==(const TrackedIterator& a, const TrackedIterator& b) {
    return a.at_ == b.at_;
  }

 private:
  const char* at_;
  std::size_t* read_;
};

class JsonEvents final : public nlohmann::json_sax<json> {
 public:
  JsonEvents(std::string_view text, const std::size_t& read, Document& document,
             std::string_view root)
      : lines_(text), read_(read), document_(document), builder_(document, root) {}

  bool null() override { return value(nullptr); }
  bool boolean(bool fact) override { return value(fact); }
  bool number_integer(number_integer_t number) override { return value(number); }
  bool number_unsigned(number_unsigned_t number) override {
    // As the YAML reader does it, so that equal documents are equal trees.
    if (number <= static_cast<number_unsigned_t>(INT64_MAX)) {
      return value(static_cast<number_integer_t>(number));
    }
    return value(number);
  }
  // Also an integer beyond 64 bits, as in the API server.
  bool number_float(number_float_t number, const string_t&) override { return value(number); }
  bool string(string_t& text) override { return value(std::move(text)); }
  bool binary(binary_t&) override { return false; }  // not in text

  bool start_object(std::size_t) override {
    builder_.begin_map(line());
    return true;
  }
  bool key(string_t& name) override {
    builder_.key(std::move(name), line());
    return true;
  }
  bool start_array(std::size_t) override {
    builder_.begin_list(line());
    return true;
  }
  bool end_object() override { return end(); }
  bool end_array() override { return end(); }

  bool parse_error(std::size_t, const std::string&, const json::exception& ex) override {
    document_.syntax_ok = false;
    // 406: a number such as 1e400, the only error that is not one of syntax.
    const bool out_of_range = ex.id == 406;
    if (out_of_range) {
      builder_.error(line(), "is a number out of range");
    } else {
      document_.add_error(line(), "", "is not valid JSON");
    }
    return false;
  }

 private:
  int line() { return lines_.line_at(read_); }
  bool value(json&& value) {
    builder_.value(std::move(value), line());
    return true;
  }
  bool end() {
    builder_.end();
    return true;
  }

  LineCounter lines_;
  const std::size_t& read_;
  Document& document_;
  TreeBuilder builder_;
};

bool is_plain_word(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '<';
  });
}

}  // namespace

Document::Document() : tree(std::make_unique<json>()) {}
Document::~Document() = default;
Document::Document(Document&&) noexcept = default;
Document& Document::operator=(Document&&) noexcept = default;

int Document::line_of(std::string_view path) const {
  while (true) {
    if (const auto found = lines.find(path); found != lines.end()) return found->second;
    if (path.empty()) return lines.empty() ? 0 : lines.begin()->second;
    const std::size_t cut = path.find_last_of(".[");
    path = cut == std::string_view::npos ? std::string_view{} : path.substr(0, cut);
  }
}

void Document::add_error(int line, std::string_view field, std::string message) {
  if (++mistakes > kErrorsMax) return;
  errors.push_back({.line = line, .field = std::string(field), .message = std::move(message)});
}

std::string child_path(std::string_view parent, std::string_view name) {
  std::string path(parent);
  if (!is_plain_word(name)) return path.append("[\"").append(name).append("\"]");
  if (!path.empty()) path += '.';
  return path.append(name);
}

std::string child_path(std::string_view parent, std::size_t index) {
  return std::string(parent) + "[" + std::to_string(index) + "]";
}

Document parse_json(std::string_view text, std::string_view root) {
  Document document;
  std::size_t read = 0;
  JsonEvents events(text, read, document, root);
  const char* const last = text.data() + text.size();
  json::sax_parse(TrackedIterator(text.data(), &read), TrackedIterator(last, &read), &events);
  return document;
}

bool is_utf8(std::string_view text) {
  std::size_t at = 0;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  while (at < text.size()) {
    const unsigned char lead = byte(at);
    if (lead < 0x80) {
      ++at;
      continue;
    }
    const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || text.size() - at < length) return false;
    const unsigned char second = byte(at + 1);
    // Overlong forms, surrogates and code points beyond the last show in the second byte.
    const unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    const unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (second < low || second > high) return false;
    for (std::size_t i = 2; i < length; ++i) {
      if ((byte(at + i) & 0xC0) != 0x80) return false;
    }
    at += length;
  }
  return true;
}

}  // namespace sluice::api
