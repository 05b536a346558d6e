#include "broker/server/webhook_signature.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <optional>

namespace sluice::broker {
namespace {

constexpr std::string_view kPrefix = "whsec_";
constexpr std::string_view kBlanks = " \t\r";

std::string to_base64(const unsigned char* bytes, std::size_t count) {
  std::string text(4 * ((count + 2) / 3), '\0');
  EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes, static_cast<int>(count));
  return text;
}

std::optional<std::string> from_base64(std::string_view text) {
  if (text.empty() || text.size() % 4 != 0) return std::nullopt;
  std::string bytes(text.size() / 4 * 3, '\0');
  const int count = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                    reinterpret_cast<const unsigned char*>(text.data()),
                                    static_cast<int>(text.size()));
  if (count < 0) return std::nullopt;
  // What the padding stands for was decoded to zeros.
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  bytes.resize(static_cast<std::size_t>(count) - padding);
  return bytes;
}

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

}  // namespace

Result<std::string> webhook_signature(std::string_view secrets, std::string_view id,
                                      std::string_view timestamp, std::string_view body) {
  std::string message;
  message.append(id).append(".").append(timestamp).append(".").append(body);
  std::string signatures;
  while (!secrets.empty()) {
    const std::size_t newline = secrets.find('\n');
    const std::string_view line = trimmed(secrets.substr(0, newline));
    secrets.remove_prefix(newline == std::string_view::npos ? secrets.size() : newline + 1);
    if (line.empty()) continue;

    std::optional<std::string> key(line);
    if (line.starts_with(kPrefix)) key = from_base64(line.substr(kPrefix.size()));
    if (!key) return Error{ErrorCode::kInvalidArgument, "what follows whsec_ is not base64"};
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    HMAC(EVP_sha256(), key->data(), static_cast<int>(key->size()),
         reinterpret_cast<const unsigned char*>(message.data()), message.size(), digest.data(),
         &size);
    if (!signatures.empty()) signatures += ' ';
    signatures += "v1," + to_base64(digest.data(), size);
  }
  if (signatures.empty()) return Error{ErrorCode::kInvalidArgument, "the secret is empty"};
  return signatures;
}

}  // namespace sluice::broker
