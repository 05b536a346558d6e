#include "cli/option_values.h"

#include "common/base/clock.h"

namespace sluice::cli {

std::string mistake_in_moment(const std::string& text) {
  if (parse_rfc3339(text)) return {};
  return '"' + text + "\" is not a time like 2026-11-22T16:00:00Z";
}

std::string read_labels(const std::vector<std::string>& pairs, api::Labels& labels) {
  for (const std::string& pair : pairs) {
    const auto equals = pair.find('=');
    if (equals == 0 || equals == std::string::npos) {
      return "--label: \"" + pair + "\" is not of the form NAME=VALUE";
    }
    labels[pair.substr(0, equals)] = pair.substr(equals + 1);
  }
  return {};
}

}  // namespace sluice::cli
