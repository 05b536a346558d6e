// Which addresses a client may connect to.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace sluice::http {

// A range of addresses, as 10.0.0.0/8 or fd00::/8. IPv4 is kept, and meant, in its form mapped into
// IPv6 too: ::ffff:10.0.0.1 is in 10.0.0.0/8.
class AddressBlock {
 public:
  // "ADDRESS/BITS", or an address alone. kInvalidArgument otherwise, and for bits set behind BITS.
  static Result<AddressBlock> parse(std::string_view text);

  // False for what is no numeric address.
  bool contains(const std::string& address) const;

 private:
  std::array<std::uint8_t, 16> bytes_{};
  int bits_ = 128;
};

// Whether the whole Internet can reach this numeric address: none of the special-purpose ranges of
// IANA's registries (RFC 6890 and what came after), no multicast, nothing that carries another
// address inside (6to4, Teredo, NAT64). False for what is no numeric address.
bool is_globally_routable(const std::string& address);

bool is_in_any(const std::vector<AddressBlock>& blocks, const std::string& address);

}  // namespace sluice::http
