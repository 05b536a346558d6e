#include "broker/server/idempotency.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "broker/server/limits.h"
#include "common/base/check.h"

namespace sluice::broker {
namespace {

constexpr std::string_view kHeader = "Idempotency-Key";

Error bad_header(std::string_view what) {
  return {ErrorCode::kInvalidArgument, std::string{kHeader}.append(": ").append(what),
          std::string{kHeader}};
}

// What RFC 8941 lets stand in a token, and the letters and digits it may start with; keys that
// start with a digit are common and do no harm.
bool is_token_char(char c) {
  return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
         std::string_view{"!#$%&'*+-.^_`|~:/=@"}.find(c) != std::string_view::npos;
}

bool is_lower_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace

Result<std::string> parse_idempotency_header(std::string_view value) {
  std::string key;
  if (value.starts_with('"')) {
    std::size_t at = 1;
    for (; at < value.size() && value[at] != '"'; ++at) {
      if (value[at] == '\\' && (++at >= value.size() || (value[at] != '"' && value[at] != '\\'))) {
        return bad_header("a backslash may only stand before a quote or a backslash");
      }
      if (value[at] < 0x20 || value[at] > 0x7E) return bad_header("must be printable ASCII");
      key.push_back(value[at]);
    }
    if (at + 1 != value.size()) return bad_header("must be one quoted string and nothing after it");
  } else {
    if (!std::all_of(value.begin(), value.end(), is_token_char)) {
      return bad_header("must be a quoted string or a token");
    }
    key = value;
  }
  if (key.empty() || key.size() > limits::kIdempotencyKeyBytesMax) {
    return bad_header("must have 1 to " + std::to_string(limits::kIdempotencyKeyBytesMax) +
                      " characters");
  }
  return key;
}

Hash128 hash128(std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned size = 0;
  CHECK(EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr) == 1);
  Hash128 hash;
  std::copy_n(digest.begin(), hash.size(), hash.begin());
  return hash;
}

Hash128 content_hash(const JsonView& job) {
  std::vector<std::pair<std::string, JsonView>> members;
  job.for_each_member([&](std::string_view name, JsonView value) {
    if (name != "idempotencyKey") members.emplace_back(name, value);
    return true;
  });
  std::sort(members.begin(), members.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });

  std::string text;
  for (const auto& [name, value] : members) {
    text.append(name).push_back('\0');
    if (name == "payload") {
      text.append(value.raw());
    } else {
      value.append_compact(text);
    }
    text.push_back('\0');
  }
  return hash128(text);
}

bool is_traceparent(std::string_view text) {
  if (text.size() != 55 || text[2] != '-' || text[35] != '-' || text[52] != '-') return false;
  const auto trace = text.substr(3, 32);
  const auto parent = text.substr(36, 16);
  const auto not_zero = [](std::string_view id) {
    return id.find_first_not_of('0') != std::string_view::npos;
  };
  return text.starts_with("00") && is_lower_hex(trace) && is_lower_hex(parent) &&
         is_lower_hex(text.substr(53)) && not_zero(trace) && not_zero(parent);
}

}  // namespace sluice::broker
