#include "cli/document.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

namespace sluice::cli {
namespace {

// Whether a YAML reader would take the plain scalar for something other than this string: what
// looks like a number, a date, a truth value or nothing at all.
bool needs_quotes(std::string_view text) {
  static constexpr std::array<std::string_view, 10> kWords = {"~",  "null", "true", "false", "yes",
                                                              "no", "on",   "off",  "y",     "n"};
  if (text.empty()) return true;
  if (std::string_view("0123456789+-.").find(text.front()) != std::string_view::npos) return true;
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::find(kWords.begin(), kWords.end(), lower) != kWords.end();
}

void emit_text(YAML::Emitter& out, const std::string& text) {
  if (needs_quotes(text)) out << YAML::DoubleQuoted;
  out << text;
}

void emit(YAML::Emitter& out, const Json& node) {
  if (node.is_object()) {
    if (node.empty()) out << YAML::Flow;
    out << YAML::BeginMap;
    for (const auto& [name, value] : node.items()) {
      out << YAML::Key;
      emit_text(out, name);
      out << YAML::Value;
      emit(out, value);
    }
    out << YAML::EndMap;
  } else if (node.is_array()) {
    if (node.empty()) out << YAML::Flow;
    out << YAML::BeginSeq;
    for (const Json& value : node) emit(out, value);
    out << YAML::EndSeq;
  } else if (node.is_string()) {
    emit_text(out, node.get_ref<const std::string&>());
  } else if (node.is_null()) {
    out << YAML::Null;
  } else {
    // Numbers as JSON prints them: the emitter would round.
    out << node.dump();
  }
}

}  // namespace

std::optional<Json> parse_json(std::string_view text) {
  Json parsed = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (parsed.is_discarded()) return std::nullopt;
  return parsed;
}

bool is_json(std::string_view text) {
  return Json::accept(text);
}

std::string json_mistake(std::string_view text) {
  try {
    [[maybe_unused]] const Json parsed = Json::parse(text);
    return {};
  } catch (const Json::parse_error& mistake) {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: …": the rest is for
    // people.
    const std::string what = mistake.what();
    const auto end = what.find("] ");
    return end == std::string::npos ? what : what.substr(end + 2);
  } catch (const Json::exception& mistake) {
    return mistake.what();
  }
}

std::string text_of(const Json& object, std::string_view member) {
  if (!object.is_object()) return {};
  const auto found = object.find(std::string(member));
  if (found == object.end() || found->is_null()) return {};
  if (found->is_string()) return found->get<std::string>();
  return found->dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string print(const Json& document, DocumentFormat format) {
  if (format == DocumentFormat::kJson) {
    return document.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
  }
  YAML::Emitter out;
  emit(out, document);
  return std::string(out.c_str()) + '\n';
}

}  // namespace sluice::cli
