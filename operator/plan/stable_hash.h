// A hash that is the same in every process, version and machine: names and offsets are made from
// it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::op {

// FNV-1a over the parts, each preceded by its length so that ("ab", "c") is not ("a", "bc"), then
// mixed, so that the low bits may be used alone.
class StableHash {
 public:
  StableHash& add(std::string_view part);
  StableHash& add(std::int64_t number);

  std::uint64_t value() const;
  // `length` (at most 12) lower-case letters and digits, fit for a DNS label.
  std::string text(int length) const;

 private:
  std::uint64_t state_ = 0xcbf29ce484222325ull;
};

}  // namespace sluice::op
