#include "common/api/tree_builder.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/api/limits.h"
#include "common/base/check.h"

namespace sluice::api {
namespace {

using nlohmann::json;

// Deeper or longer paths fall back to the line of what is around them, which bounds the index.
constexpr std::size_t kIndexedDepthMax = 16;
constexpr std::size_t kIndexedPathBytesMax = 512;

struct Size {
  std::size_t nodes = 0;
  std::size_t bytes = 0;
};

Size size_of(const json& value) {
  Size size{.nodes = 1};
  if (value.is_string()) size.bytes += value.get_ref<const std::string&>().size();
  if (!value.is_structured()) return size;
  for (const auto& [name, member] : value.items()) {
    const Size inner = size_of(member);
    size.nodes += inner.nodes;
    size.bytes += inner.bytes + (value.is_object() ? name.size() : 0);
  }
  return size;
}

std::size_t depth_of(const json& value) {
  std::size_t deepest = 0;
  if (!value.is_structured()) return 0;
  for (const auto& member : value) deepest = std::max(deepest, depth_of(member));
  return deepest + 1;
}

}  // namespace

struct TreeBuilder::Frame {
  json value;
  std::string path;
  int line = 0;
  std::size_t anchor = 0;
  std::string key;
  bool has_key = false;
  bool skip_value = false;  // of a duplicate key
  bool merging = false;
  std::vector<json> merges;
};

struct TreeBuilder::Anchored {
  json value;
  Size size;
};

TreeBuilder::TreeBuilder(Document& document, std::string_view root)
    : document_(document), root_(root) {}

TreeBuilder::~TreeBuilder() = default;

bool TreeBuilder::inside_map() const {
  return !open_.empty() && open_.back().value.is_object();
}

bool TreeBuilder::expects_key() const {
  return ignored_depth_ == 0 && inside_map() && !open_.back().has_key;
}

std::string TreeBuilder::path_of_next() const {
  if (open_.empty()) return root_;
  const Frame& frame = open_.back();
  if (frame.path.size() > kIndexedPathBytesMax) return frame.path;
  if (!frame.value.is_object()) return child_path(frame.path, frame.value.size());
  if (frame.merging) return child_path(frame.path, "<<");
  return frame.has_key ? child_path(frame.path, frame.key) : frame.path;
}

void TreeBuilder::error(int line, std::string message) {
  document_.add_error(line, path_of_next(), std::move(message));
}

bool TreeBuilder::admit(int line) {
  if (full_) return false;
  if (++nodes_ <= kManifestNodesMax) return true;
  full_ = true;
  error(line, "has more than " + std::to_string(kManifestNodesMax) + " values in the document");
  return false;
}

void TreeBuilder::begin(json&& empty, int line, std::size_t anchor) {
  if (ignored_depth_ > 0) {
    ++ignored_depth_;
    return;
  }
  if (!admit(line) || open_.size() >= kDepthMax) {
    if (!full_) error(line, "is nested deeper than " + std::to_string(kDepthMax) + " levels");
    attach(nullptr, line);
    ignored_depth_ = 1;
    return;
  }
  Frame frame{.value = std::move(empty), .path = path_of_next(), .line = line, .anchor = anchor};
  open_.push_back(std::move(frame));
}

void TreeBuilder::begin_map(int line, std::size_t anchor) {
  begin(json::object(), line, anchor);
}

void TreeBuilder::begin_list(int line, std::size_t anchor) {
  begin(json::array(), line, anchor);
}

void TreeBuilder::end() {
  if (ignored_depth_ > 0) {
    --ignored_depth_;
    return;
  }
  CHECK(!open_.empty());
  Frame frame = std::move(open_.back());
  open_.pop_back();
  merge_into(frame);
  remember(frame.anchor, frame.value);
  attach(std::move(frame.value), frame.line);
}

void TreeBuilder::key(std::string name, int line) {
  if (ignored_depth_ > 0) return;
  Frame& frame = open_.back();
  frame.key = std::move(name);
  frame.has_key = true;
  frame.skip_value = frame.value.contains(frame.key);
  const std::string path = path_of_next();
  if (frame.skip_value) {
    document_.add_error(line, path,
                        "is there twice, first in line " + std::to_string(document_.line_of(path)));
    return;
  }
  if (open_.size() <= kIndexedDepthMax && path.size() <= kIndexedPathBytesMax) {
    document_.lines.emplace(path, line);
  }
}

void TreeBuilder::merge_key(int line) {
  if (ignored_depth_ > 0) return;
  Frame& frame = open_.back();
  if (!frame.merges.empty()) document_.add_error(line, path_of_next(), "merges twice (<<)");
  frame.has_key = true;
  frame.merging = true;
}

void TreeBuilder::value(json&& value, int line, std::size_t anchor) {
  if (ignored_depth_ > 0) return;
  if (!admit(line)) {
    attach(nullptr, line);
    return;
  }
  remember(anchor, value);
  attach(std::move(value), line);
}

void TreeBuilder::remember(std::size_t anchor, const json& value) {
  if (anchor == 0) return;
  const Size size = size_of(value);
  anchored_nodes_ += size.nodes;
  anchored_bytes_ += size.bytes;
  // Anchors inside anchors are copied each: what passes the limit could not be added by an alias.
  const bool keep = anchored_nodes_ <= kAliasNodesMax && anchored_bytes_ <= kAliasBytesMax;
  constexpr Size kTooLarge{.nodes = kAliasNodesMax + 1};
  anchors_.insert_or_assign(anchor, keep ? Anchored{value, size} : Anchored{nullptr, kTooLarge});
}

void TreeBuilder::alias(std::size_t anchor, int line) {
  if (ignored_depth_ > 0) return;
  const auto found = anchors_.find(anchor);
  if (found == anchors_.end()) {
    error(line, "is an alias of something around it");
    attach(nullptr, line);
    return;
  }
  const Anchored& target = found->second;
  if (alias_nodes_ + target.size.nodes > kAliasNodesMax ||
      alias_bytes_ + target.size.bytes > kAliasBytesMax) {
    error(line, "makes the aliases of the document add more than " +
                    std::to_string(kAliasNodesMax) + " values or " +
                    std::to_string(kAliasBytesMax) + " bytes");
    attach(nullptr, line);
    return;
  }
  if (open_.size() + depth_of(target.value) > kDepthMax) {
    error(line, "is nested deeper than " + std::to_string(kDepthMax) + " levels");
    attach(nullptr, line);
    return;
  }
  alias_nodes_ += target.size.nodes;
  alias_bytes_ += target.size.bytes;
  attach(json(target.value), line);
}

void TreeBuilder::attach(json&& value, int line) {
  if (open_.empty()) {
    *document_.tree = std::move(value);
    document_.lines.emplace(root_, line);
    return;
  }
  Frame& frame = open_.back();
  if (frame.value.is_array()) {
    if (open_.size() <= kIndexedDepthMax) {
      std::string path = path_of_next();
      if (path.size() <= kIndexedPathBytesMax) document_.lines.emplace(std::move(path), line);
    }
    frame.value.push_back(std::move(value));
    return;
  }
  CHECK(frame.has_key);
  if (frame.merging) {
    frame.merges.push_back(std::move(value));
  } else if (!frame.skip_value) {
    frame.value.emplace(std::move(frame.key), std::move(value));
  }
  frame.has_key = false;
  frame.merging = false;
  frame.skip_value = false;
}

// The map's own keys win over merged ones, earlier merged maps over later ones.
void TreeBuilder::merge_into(Frame& frame) {
  for (const json& merged : frame.merges) {
    const bool is_list = merged.is_array();
    const bool all_maps = is_list ? std::all_of(merged.begin(), merged.end(),
                                                [](const json& m) { return m.is_object(); })
                                  : merged.is_object();
    if (!all_maps) {
      document_.add_error(frame.line, frame.path, "merges (<<) what is not a mapping");
      continue;
    }
    if (!is_list) {
      frame.value.insert(merged.begin(), merged.end());
      continue;
    }
    for (const json& one : merged) frame.value.insert(one.begin(), one.end());
  }
}

}  // namespace sluice::api
