// Signatures as Standard Webhooks has them (https://www.standardwebhooks.com, symmetric: v1).
#pragma once

#include <string>
#include <string_view>

#include "common/base/result.h"

namespace sluice::broker {

// "v1,…", the base64 of HMAC-SHA256 over "ID.TIMESTAMP.BODY"; one for each line of `secrets`, so
// that a receiver can change over. A line is "whsec_" and base64, or the secret's bytes themselves.
// kInvalidArgument when there is none, or one is not base64.
Result<std::string> webhook_signature(std::string_view secrets, std::string_view id,
                                      std::string_view timestamp, std::string_view body);

}  // namespace sluice::broker
