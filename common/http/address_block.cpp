#include "common/http/address_block.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

namespace sluice::http {
namespace {

using Bytes = std::array<std::uint8_t, 16>;

constexpr int kMappedBits = 96;

struct Parsed {
  Bytes bytes{};
  bool is_v4 = false;
};

std::optional<Parsed> parse_address(const std::string& text) {
  Parsed parsed;
  in_addr v4{};
  if (inet_pton(AF_INET, text.c_str(), &v4) == 1) {
    parsed.is_v4 = true;
    parsed.bytes[10] = parsed.bytes[11] = 0xff;
    std::memcpy(parsed.bytes.data() + 12, &v4, sizeof v4);
    return parsed;
  }
  if (inet_pton(AF_INET6, text.c_str(), parsed.bytes.data()) == 1) return parsed;
  return std::nullopt;
}

bool has_prefix(const Bytes& bytes, const Bytes& prefix, int bits) {
  const auto whole = static_cast<std::size_t>(bits / 8);
  if (!std::equal(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(whole),
                  prefix.begin())) {
    return false;
  }
  const int rest = bits % 8;
  if (rest == 0) return true;
  const auto mask = static_cast<std::uint8_t>(0xff << (8 - rest));
  return (bytes[whole] & mask) == (prefix[whole] & mask);
}

// IANA's IPv4 and IPv6 special-purpose registries, as of 2026.
constexpr const char* kNotGlobal4[] = {
    "0.0.0.0/8",     "10.0.0.0/8",      "100.64.0.0/10",  "127.0.0.0/8",    "169.254.0.0/16",
    "172.16.0.0/12", "192.0.0.0/24",    "192.0.2.0/24",   "192.88.99.0/24", "192.168.0.0/16",
    "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4",    "240.0.0.0/4"};
// Inside of 2000::/3, which is all that is unicast and global.
constexpr const char* kNotGlobal6[] = {"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"};

template <std::size_t kCount>
std::vector<AddressBlock> blocks_of(const char* const (&texts)[kCount]) {
  std::vector<AddressBlock> blocks;
  for (const char* text : texts) blocks.push_back(*AddressBlock::parse(text));
  return blocks;
}

}  // namespace

Result<AddressBlock> AddressBlock::parse(std::string_view text) {
  const auto bad = [&text](std::string_view why) {
    return Error{ErrorCode::kInvalidArgument,
                 "\"" + std::string(text) +
                     "\" is no range of addresses, as 10.0.0.0/8: " + std::string(why)};
  };
  const std::size_t slash = text.find('/');
  const auto address = parse_address(std::string(text.substr(0, slash)));
  if (!address) return bad("the part before the slash is no IP address");

  const int bits_max = address->is_v4 ? 32 : 128;
  int bits = bits_max;
  if (slash != std::string_view::npos) {
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data() + slash + 1, end, bits);
    if (error != std::errc{} || stop != end || bits < 0 || bits > bits_max) {
      return bad("the part after the slash is no number from 0 to " + std::to_string(bits_max));
    }
  }
  AddressBlock block;
  block.bytes_ = address->bytes;
  block.bits_ = bits + (address->is_v4 ? kMappedBits : 0);
  for (int bit = block.bits_; bit < 128; ++bit) {
    if (block.bytes_[static_cast<std::size_t>(bit / 8)] & (0x80 >> (bit % 8))) {
      return bad("bits are set behind the first " + std::to_string(bits));
    }
  }
  return block;
}

bool AddressBlock::contains(const std::string& address) const {
  const auto parsed = parse_address(address);
  return parsed && has_prefix(parsed->bytes, bytes_, bits_);
}

bool is_in_any(const std::vector<AddressBlock>& blocks, const std::string& address) {
  return std::any_of(blocks.begin(), blocks.end(),
                     [&](const AddressBlock& block) { return block.contains(address); });
}

bool is_globally_routable(const std::string& address) {
  static const std::vector<AddressBlock> special4 = blocks_of(kNotGlobal4);
  static const std::vector<AddressBlock> special6 = blocks_of(kNotGlobal6);
  static const AddressBlock mapped = *AddressBlock::parse("::ffff:0:0/96");
  static const AddressBlock unicast = *AddressBlock::parse("2000::/3");
  if (mapped.contains(address)) return !is_in_any(special4, address);
  return unicast.contains(address) && !is_in_any(special6, address);
}

}  // namespace sluice::http
