// The YAML half of document.h: yaml-cpp stays in this file.
#include <yaml-cpp/yaml.h>

#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/eventhandler.h>

#include <nlohmann/json.hpp>
#include <sstream>
#include <utility>

#include "common/api/document.h"
#include "common/api/limits.h"
#include "common/api/tree_builder.h"
#include "common/api/yaml_scalar.h"

namespace sluice::api {
namespace {

using nlohmann::json;

class YamlEvents final : public YAML::EventHandler {
 public:
  explicit YamlEvents(Document& document) : document_(document), builder_(document, "") {}

  void OnDocumentStart(const YAML::Mark& mark) override { start_ = mark; }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    scalar(mark, "?", anchor, "");
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (bad_key(mark)) return;
    builder_.alias(anchor, line_of(mark));
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    scalar(mark, tag, anchor, text);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    if (begin_ignored(mark)) return;
    builder_.begin_list(line_of(mark), anchor);
  }
  void OnSequenceEnd() override { end(); }

  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    if (begin_ignored(mark)) return;
    builder_.begin_map(line_of(mark), anchor);
  }
  void OnMapEnd() override { end(); }

  const YAML::Mark& start() const { return start_; }

 private:
  // Marks count from 0; a mark of -1 means unknown.
  static int line_of(const YAML::Mark& mark) { return mark.line + 1; }

  void scalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
              const std::string& text) {
    if (ignored_depth_ > 0) return;
    const int line = line_of(mark);
    const bool is_key = builder_.expects_key();
    if (is_key && text == "<<" && tag == "?") {
      builder_.merge_key(line);
      return;
    }
    std::string error;
    json value = resolve_tagged_scalar(tag, text, error);
    if (is_key) {
      // As in JSON, a key is a string: `1:` is "1" and `yes:` is "true".
      builder_.key(value.is_string() || !error.empty() ? text : value.dump(), line);
      return;
    }
    if (!error.empty()) builder_.error(line, std::move(error));
    builder_.value(std::move(value), line, anchor);
  }

  // Keys that JSON cannot have: a map, a list, an alias.
  bool bad_key(const YAML::Mark& mark) {
    if (ignored_depth_ > 0) return true;
    if (!builder_.expects_key()) return false;
    builder_.error(line_of(mark), "has a key that is not a string");
    builder_.key("?", line_of(mark));
    return true;
  }

  bool begin_ignored(const YAML::Mark& mark) {
    if (!bad_key(mark)) return false;
    ++ignored_depth_;
    return true;
  }

  void end() {
    if (ignored_depth_ > 0) {
      --ignored_depth_;
      return;
    }
    builder_.end();
  }

  Document& document_;
  TreeBuilder builder_;
  YAML::Mark start_;
  std::size_t ignored_depth_ = 0;  // open maps and lists inside a key
};

Document syntax_error(int line, const std::string& what) {
  Document document;
  document.syntax_ok = false;
  document.add_error(line, "", "is not valid YAML: " + what);
  return document;
}

// The parser's own bound lies beyond ours, which `document` has met already: its mistakes name the
// field.
Document too_deep(Document document, const YAML::DeepRecursion& error) {
  document.syntax_ok = false;
  if (document.errors.empty()) {
    document.add_error(error.mark.line + 1, "",
                       "is nested deeper than " + std::to_string(kDepthMax) + " levels");
  }
  return document;
}

Document syntax_error(const YAML::Exception& error) {
  return syntax_error(error.mark.is_null() ? 0 : error.mark.line + 1, error.msg);
}

}  // namespace

std::vector<Document> parse_yaml(std::string_view text) {
  std::vector<Document> documents;
  std::istringstream stream{std::string(text)};
  try {
    YAML::Parser parser(stream);
    int last_start = -1;
    while (true) {
      Document document;
      YamlEvents events(document);
      try {
        if (!parser.HandleNextDocument(events)) return documents;
      } catch (const YAML::DeepRecursion& error) {
        documents.push_back(too_deep(std::move(document), error));
        return documents;
      }
      // At a stray bracket yaml-cpp gives empty documents without end.
      if (events.start().pos == last_start) {
        documents.push_back(syntax_error(events.start().line + 1, "there is more than a value"));
        return documents;
      }
      last_start = events.start().pos;
      documents.push_back(std::move(document));
    }
  } catch (const YAML::Exception& error) {
    documents.push_back(syntax_error(error));
    return documents;
  }
}

}  // namespace sluice::api
