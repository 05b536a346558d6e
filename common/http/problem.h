// What a reply that is not a success means.
#pragma once

#include <string_view>

#include "common/base/result.h"

namespace sluice::http {

// The error of an RFC 9457 problem document: its type's last part names the code, its detail is the
// message. Anything else is judged by its status.
Error error_of_reply(int status, std::string_view body);

}  // namespace sluice::http
