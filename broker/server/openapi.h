// The API's description of itself.
#pragma once

#include <string_view>

namespace sluice::broker {

// An OpenAPI 3.1 document of exactly the calls that are built.
std::string_view openapi_document();

}  // namespace sluice::broker
