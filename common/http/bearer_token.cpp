#include "common/http/bearer_token.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace sluice::http {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

}  // namespace

BearerToken::BearerToken(const ClientOptions& options) : fixed_(trimmed(options.token)) {
  if (!options.token_file.empty()) file_.emplace(options.token_file);
}

Result<std::string> BearerToken::get(bool fresh) {
  if (!file_) return fixed_;
  const std::scoped_lock lock(mutex_);
  if (fresh) {
    if (Status read = file_->reread(); !read) return std::move(read).error();
  } else if (auto read = file_->refresh(); !read) {
    return std::move(read).error();
  }
  const std::string_view token = trimmed(file_->text());
  // What is no token may hold anything, and must not end up among the request's headers.
  const bool is_token = !token.empty() && std::all_of(token.begin(), token.end(),
                                                      [](char c) { return c > ' ' && c < 0x7f; });
  if (!is_token) return Error{ErrorCode::kUnavailable, file_->path() + " holds no token"};
  return std::string(token);
}

}  // namespace sluice::http
