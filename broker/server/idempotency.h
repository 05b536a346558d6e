// Idempotency keys: the header, and the hash that tells "the same again" from "something else".
#pragma once

#include <string>
#include <string_view>

#include "broker/engine/types.h"
#include "broker/server/json_view.h"
#include "common/base/result.h"

namespace sluice::broker {

// The value of an `Idempotency-Key` header: an RFC 8941 string ("…" with \" and \\) or a bare
// token. kInvalidArgument with the header's name as field.
Result<std::string> parse_idempotency_header(std::string_view value);

// The first 128 bits of SHA-256.
Hash128 hash128(std::string_view bytes);

// Of the payload's bytes as they came and every other member but `idempotencyKey`, whatever their
// order and the white space around them. Requires: an object with a payload.
Hash128 content_hash(const JsonView& job);

// Whether `text` is a W3C traceparent: "00-<32 hex>-<16 hex>-<2 hex>", neither id all zeros.
bool is_traceparent(std::string_view text);

}  // namespace sluice::broker
