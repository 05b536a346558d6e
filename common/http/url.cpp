#include <algorithm>
#include <charconv>

#include "common/http/client.h"

namespace sluice::http {
namespace {

Error bad_url(std::string_view text, std::string_view why) {
  return {
      ErrorCode::kInvalidArgument,
      "\"" + std::string(text) +
          "\" is not a URL of the form http://HOST:PORT or https://HOST:PORT: " + std::string(why)};
}

bool is_port(std::string_view text) {
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc{} && end == text.data() + text.size() && port > 0 && port <= 65535;
}

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

}  // namespace

Result<Url> parse_url(std::string_view text) {
  const bool is_https = text.starts_with("https://");
  if (!is_https && !text.starts_with("http://")) {
    return bad_url(text, "it must start with http:// or https://");
  }
  if (!is_printable(text)) return bad_url(text, "it holds a blank or a control character");

  std::string_view rest = text.substr(is_https ? 8 : 7);
  const std::size_t slash = rest.find_first_of("/?#");
  std::string_view authority = rest.substr(0, slash);
  std::string_view path = slash == std::string_view::npos ? "" : rest.substr(slash);
  if (path.find_first_of("?#") != std::string_view::npos) return bad_url(text, "it has a query");
  if (authority.find('@') != std::string_view::npos) return bad_url(text, "it names a user");
  while (path.ends_with('/')) path.remove_suffix(1);

  std::string_view port = is_https ? "443" : "80";
  std::string_view host = authority;
  const std::size_t bracket = authority.rfind(']');
  const std::size_t colon = authority.rfind(':');
  if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
    host = authority.substr(0, colon);
    port = authority.substr(colon + 1);
  }
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return bad_url(text, "an IPv6 address stands in brackets");
  }
  if (host.empty()) return bad_url(text, "the host is missing");
  if (!is_port(port)) return bad_url(text, "the port is not a number from 1 to 65535");
  return Url{is_https ? "https" : "http", std::string(host), std::string(port), std::string(path)};
}

Result<Target> parse_target(std::string_view text) {
  const std::size_t scheme = text.find("://");
  const std::size_t path =
      scheme == std::string_view::npos ? scheme : text.find_first_of("/?#", scheme + 3);
  auto origin = parse_url(text.substr(0, path));
  if (!origin) return std::move(origin).error();
  std::string target(path == std::string_view::npos ? "" : text.substr(path));
  if (!is_printable(target)) return bad_url(text, "it holds a blank or a control character");
  if (target.find('#') != std::string::npos) return bad_url(text, "it has a fragment");
  if (!target.starts_with('/')) target.insert(0, "/");
  return Target{*std::move(origin), std::move(target)};
}

std::string percent_encode(std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string encoded;
  encoded.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool unreserved = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                            (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
    if (unreserved) {
      encoded += c;
    } else {
      encoded += '%';
      encoded += kHex[byte >> 4];
      encoded += kHex[byte & 15];
    }
  }
  return encoded;
}

}  // namespace sluice::http
