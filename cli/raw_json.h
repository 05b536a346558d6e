// Parts of JSON text with the bytes they have, for handing them on unchanged.
#pragma once

#include <string_view>
#include <vector>

namespace sluice::cli {

struct RawMember {
  std::string_view name;  // without its quotes; escapes stay
  std::string_view value;
};

// Both require JSON text; empty when it is no object, or no array. Views are into `text`.
std::vector<RawMember> raw_members(std::string_view text);
std::vector<std::string_view> raw_elements(std::string_view text);

// The member's text; empty when it is not there.
std::string_view raw_member(const std::vector<RawMember>& members, std::string_view name);

}  // namespace sluice::cli
