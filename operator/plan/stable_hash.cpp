#include "operator/plan/stable_hash.h"

#include "common/base/check.h"

namespace sluice::op {

StableHash& StableHash::add(std::string_view part) {
  add(static_cast<std::int64_t>(part.size()));
  for (const char c : part) {
    state_ = (state_ ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  }
  return *this;
}

StableHash& StableHash::add(std::int64_t number) {
  auto bits = static_cast<std::uint64_t>(number);
  for (int i = 0; i < 8; ++i, bits >>= 8) state_ = (state_ ^ (bits & 0xff)) * 0x100000001b3ull;
  return *this;
}

std::uint64_t StableHash::value() const {
  std::uint64_t x = state_;
  x = (x ^ (x >> 33)) * 0xff51afd7ed558ccdull;
  x = (x ^ (x >> 33)) * 0xc4ceb9fe1a85ec53ull;
  return x ^ (x >> 33);
}

std::string StableHash::text(int length) const {
  CHECK(length >= 1 && length <= 12);  // 5 bits each of 64
  static constexpr char kAlphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";
  std::string text;
  std::uint64_t bits = value();
  for (int i = 0; i < length; ++i, bits >>= 5) text += kAlphabet[bits & 31];
  return text;
}

}  // namespace sluice::op
