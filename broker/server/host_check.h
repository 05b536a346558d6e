// Which Host names a broker without authentication answers to.
#pragma once

#include <string_view>

namespace sluice::broker {

// Whether a Host header names this machine's loopback: localhost, 127.0.0.0/8 or [::1], with or
// without a port. Any other name reached us through somebody's DNS (rebinding), so it is refused.
bool is_loopback_host(std::string_view host);

}  // namespace sluice::broker
