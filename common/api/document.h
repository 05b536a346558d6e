// One YAML or JSON document as a JSON tree that knows its lines.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/api/decode.h"

namespace sluice::api {

struct Document {
  Document();
  ~Document();
  Document(Document&&) noexcept;
  Document& operator=(Document&&) noexcept;

  // Of the field, else of the nearest one around it that is known; 0 in an empty document.
  int line_of(std::string_view path) const;

  // Adds one mistake; beyond kErrorsMax it is only counted.
  void add_error(int line, std::string_view field, std::string message);

  std::unique_ptr<nlohmann::json> tree;               // never null
  std::map<std::string, int, std::less<>> lines;      // field path → 1-based line
  std::vector<DecodeError> errors;                    // without the file's name
  std::size_t mistakes = 0;                           // also those beyond kErrorsMax
  bool syntax_ok = true;                              // false: the text ends at the first error
  std::set<std::string>* fields_asked_for = nullptr;  // when set: every field a reader knows
};

// "spec" and "retry" as "spec.retry"; names that are not plain words as `labels["a/b"]`.
std::string child_path(std::string_view parent, std::string_view name);
std::string child_path(std::string_view parent, std::size_t index);

// The whole text as one JSON document. Duplicate members, numbers that are not finite and depth
// over kDepthMax are errors; integers beyond 64 bits become floating point.
Document parse_json(std::string_view text, std::string_view root);

// Every document of a YAML stream, scalars resolved as kubectl does (YAML 1.1). Ends after the
// first document with a syntax error, because what follows cannot be told apart.
std::vector<Document> parse_yaml(std::string_view text);

bool is_utf8(std::string_view text);

}  // namespace sluice::api
