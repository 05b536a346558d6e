// The status line and headers of a response.
#pragma once

#include <string>
#include <string_view>

#include "broker/server/http_message.h"

namespace sluice::broker {

std::string_view reason_phrase(int status);

void append_response_head(std::string& out, const Response& response, bool keep_alive,
                          bool http_1_0);

}  // namespace sluice::broker
