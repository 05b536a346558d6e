// Builds the JSON tree of one document from parser events, with the line of its fields.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/api/document.h"

namespace sluice::api {

// Takes events in document order; what is wrong is an error in the document, never a stop, so that
// one reading reports every mistake. A value that cannot be kept becomes null.
//
// Invariant: whatever the input, the tree stays within the limits of limits.h.
class TreeBuilder {
 public:
  // `root` begins every path ("spec"; empty for a whole document).
  TreeBuilder(Document& document, std::string_view root);
  ~TreeBuilder();
  TreeBuilder(const TreeBuilder&) = delete;
  TreeBuilder& operator=(const TreeBuilder&) = delete;

  // `anchor` is 0 for none.
  void begin_map(int line, std::size_t anchor = 0);
  void begin_list(int line, std::size_t anchor = 0);
  void end();  // of the innermost map or list
  void key(std::string name, int line);
  void merge_key(int line);  // the value that follows is merged into the map
  void value(nlohmann::json&& value, int line, std::size_t anchor = 0);
  void alias(std::size_t anchor, int line);
  void error(int line, std::string message);  // about the value that comes next

  // Whether a map is open and its next event is a key.
  bool expects_key() const;
  bool inside_map() const;

 private:
  struct Frame;
  struct Anchored;

  void begin(nlohmann::json&& empty, int line, std::size_t anchor);
  void attach(nlohmann::json&& value, int line);
  void merge_into(Frame& frame);
  void remember(std::size_t anchor, const nlohmann::json& value);
  bool admit(int line);
  std::string path_of_next() const;

  Document& document_;
  std::string root_;
  std::vector<Frame> open_;
  std::unordered_map<std::size_t, Anchored> anchors_;
  std::size_t nodes_ = 0;
  std::size_t anchored_nodes_ = 0;
  std::size_t anchored_bytes_ = 0;
  std::size_t alias_nodes_ = 0;
  std::size_t alias_bytes_ = 0;
  std::size_t ignored_depth_ = 0;  // open maps and lists below one that was too deep
  bool full_ = false;              // the node limit is passed: nothing more is kept
};

}  // namespace sluice::api
