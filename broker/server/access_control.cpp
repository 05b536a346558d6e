#include "broker/server/access_control.h"

#include <openssl/sha.h>

#include <algorithm>
#include <array>

namespace sluice::broker {
namespace {

// The token of "Authorization: Bearer TOKEN"; empty when there is none.
std::string_view bearer_token(std::string_view authorization) {
  constexpr std::string_view kScheme = "bearer ";
  const bool is_bearer =
      authorization.size() > kScheme.size() &&
      std::equal(kScheme.begin(), kScheme.end(), authorization.begin(), [](char a, char b) {
        return a == (b >= 'A' && b <= 'Z' ? static_cast<char>(b | 0x20) : b);
      });
  if (!is_bearer) return {};
  const std::string_view token = authorization.substr(kScheme.size());
  const std::size_t begin = token.find_first_not_of(' ');
  return begin == std::string_view::npos ? std::string_view{} : token.substr(begin);
}

bool can_be_token(std::string_view token) {
  return token.size() <= limits::kTokenBytesMax &&
         std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

std::string digest_of(std::string_view token) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(token.data()), token.size(), digest.data());
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

Error not_known(const std::vector<std::string>& audiences) {
  std::string text = "the bearer token is not valid, or not for the audience ";
  for (std::size_t i = 0; i < audiences.size(); ++i) {
    text.append(i == 0 ? "\"" : " or \"").append(audiences[i]).append("\"");
  }
  return {ErrorCode::kUnauthenticated, std::move(text)};
}

}  // namespace

AccessControl::AccessControl(const ReviewOptions& options, const Clock& clock)
    : client_(options), callers_(clock, pool_), rights_(clock, pool_) {}

AccessControl::~AccessControl() {
  stop();
}

void AccessControl::stop() {
  client_.stop();
  pool_.join();
}

Task<Result<AccessControl::Caller>> AccessControl::identify(const Request& request,
                                                            const RouteMatch& match,
                                                            bool as_worker) {
  const std::string_view shown = bearer_token(request.authorization);
  if (shown.empty()) {
    co_return Error{ErrorCode::kUnauthenticated,
                    "this call needs a bearer token with the audience \"sluice\""};
  }
  // Only those calls look at the queue's own audience that its workers may make, so that everybody
  // else is looked up once, not once a queue.
  std::vector<std::string> audiences{std::string(kAudience)};
  if (as_worker) audiences.push_back(worker_audience(match.queue));
  if (!can_be_token(shown)) co_return not_known(audiences);

  std::string key = digest_of(shown) + audiences.back();
  ReviewDesk<Caller>::Ask ask = [this, token = std::string(shown), audiences]() -> Result<Caller> {
    auto identity = client_.review_token(token, audiences);
    if (!identity) return std::move(identity).error();
    if (!*identity) return Caller{};
    return Caller{std::make_shared<const Identity>(**std::move(identity))};
  };
  auto caller = co_await callers_.get(std::move(key), std::move(ask));
  if (caller && !*caller) co_return not_known(audiences);
  co_return caller;
}

Task<Status> AccessControl::check(const Request& request, const RouteMatch& match) {
  const AccessRule& rule = access_rule(match.route);
  if (rule.access == Access::kAnybody) co_return Ok{};
  const bool as_worker = rule.access == Access::kWorkerOrRight;
  const auto caller = co_await identify(request, match, as_worker);
  if (!caller) co_return caller.error();
  if (as_worker && is_worker_of(**caller, match.queue)) co_return Ok{};
  co_return co_await check_everywhere(*caller, request, match, rule.right);
}

Task<Status> AccessControl::check_right(const Request& request, const RouteMatch& match,
                                        const Right& right) {
  const auto caller = co_await identify(request, match, false);
  if (!caller) co_return caller.error();
  co_return co_await check_everywhere(*caller, request, match, right);
}

// In the queue's namespace; of a call without a queue, in each that it names, or in all.
Task<Status> AccessControl::check_everywhere(const Caller& caller, const Request& request,
                                             const RouteMatch& match, const Right& right) {
  if (!caller->has_audience(kAudience)) {
    co_return Error{ErrorCode::kPermissionDenied,
                    "\"" + caller->user + "\" is no service account of namespace " +
                        match.queue.namespace_name + ", whose workers alone may hold this token"};
  }
  if (!match.queue.name.empty()) {
    co_return co_await check_in(caller, request, right, match.queue.namespace_name,
                                match.queue.name);
  }
  auto namespaces = namespaces_of(request.target);
  if (!namespaces) co_return namespaces.error();
  if (namespaces->empty()) namespaces->emplace_back();
  for (const std::string& one : *namespaces) {
    Status status = co_await check_in(caller, request, right, one, {});
    if (!status) co_return status;
  }
  co_return Ok{};
}

Task<Status> AccessControl::check_in(const Caller& caller, const Request& request,
                                     const Right& right, const std::string& namespace_name,
                                     const std::string& queue) {
  const std::string digest = digest_of(bearer_token(request.authorization));
  // The namespace first: most rights are given there, and one verdict is good for all its queues.
  const std::array<std::string, 2> names = {"", queue};
  for (const std::string& name : names) {
    AccessQuestion question{right, namespace_name, name};
    std::string key = digest;
    key.append(right.verb).append(" ").append(right.resource);
    key.append(" ").append(namespace_name).append("/").append(name);
    ReviewDesk<bool>::Ask ask = [this, caller, question] {
      return client_.review_access(*caller, question);
    };
    const auto allowed = co_await rights_.get(std::move(key), std::move(ask));
    if (!allowed) co_return allowed.error();
    if (*allowed) co_return Ok{};
    if (queue.empty()) break;
  }
  co_return Error{ErrorCode::kPermissionDenied,
                  "\"" + caller->user + "\" " + describe_lack(right, namespace_name)};
}

}  // namespace sluice::broker
