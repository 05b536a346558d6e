#include "broker/server/review_client.h"

#include <nlohmann/json.hpp>

#include "broker/server/limits.h"

namespace sluice::broker {
namespace {

using Json = nlohmann::json;

constexpr const char* kTokenReviews = "/apis/authentication.k8s.io/v1/tokenreviews";
constexpr const char* kAccessReviews = "/apis/authorization.k8s.io/v1/subjectaccessreviews";

Error not_answered(const std::string& why) {
  return {ErrorCode::kUnavailable, "the Kubernetes API did not say who may: " + why};
}

std::string text_of(const Json& object, const char* name) {
  const auto member = object.find(name);
  return member != object.end() && member->is_string() ? member->get<std::string>() : "";
}

std::vector<std::string> texts_of(const Json& object, const char* name) {
  std::vector<std::string> texts;
  const auto member = object.find(name);
  if (member == object.end() || !member->is_array()) return texts;
  for (const Json& one : *member) {
    if (one.is_string()) texts.push_back(one.get<std::string>());
  }
  return texts;
}

bool is_true(const Json& object, const char* name) {
  const auto member = object.find(name);
  return member != object.end() && member->is_boolean() && member->get<bool>();
}

Json parse(const std::string& text) {
  return Json::parse(text, nullptr, /*allow_exceptions=*/false);
}

// Nothing that came from outside is written as it is, so that writing cannot fail on it.
std::string dump(const Json& document) {
  return document.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

ReviewClient::ReviewClient(const ReviewOptions& options)
    : client_(options.api, {.ca_file = options.ca_file, .token_file = options.token_file}) {}

Result<std::string> ReviewClient::post(const char* target, std::string review_json) {
  const http::Request request{.method = "POST",
                              .target = target,
                              .body = std::move(review_json),
                              .headers = {{"Accept", "application/json"}},
                              .timeout = limits::kReviewMax};
  const auto response = client_.send(request);
  if (!response) return not_answered(response.error().message);
  if (response->status / 100 != 2) {
    // Its message may name our own rights, which are no caller's business.
    return not_answered("status " + std::to_string(response->status));
  }
  const Json review = parse(response->body);
  const auto status = review.is_object() ? review.find("status") : review.end();
  if (!review.is_object() || status == review.end() || !status->is_object()) {
    return not_answered("the answer is no review");
  }
  return dump(*status);
}

Result<std::optional<Identity>> ReviewClient::review_token(
    const std::string& token, const std::vector<std::string>& audiences) {
  const Json review{{"apiVersion", "authentication.k8s.io/v1"},
                    {"kind", "TokenReview"},
                    {"spec", {{"token", token}, {"audiences", audiences}}}};
  const auto answer = post(kTokenReviews, dump(review));
  if (!answer) return answer.error();
  const Json status = parse(*answer);
  if (!is_true(status, "authenticated")) return std::optional<Identity>();

  Identity identity;
  // An API server that knows no audiences leaves them out: then the token is for itself, not us.
  for (std::string& audience : texts_of(status, "audiences")) {
    if (std::find(audiences.begin(), audiences.end(), audience) != audiences.end()) {
      identity.audiences.push_back(std::move(audience));
    }
  }
  const auto user = status.find("user");
  if (identity.audiences.empty() || user == status.end() || !user->is_object()) {
    return std::optional<Identity>();
  }
  identity.user = text_of(*user, "username");
  identity.uid = text_of(*user, "uid");
  identity.groups = texts_of(*user, "groups");
  const auto extra = user->find("extra");
  if (extra != user->end() && extra->is_object()) identity.extra_json = dump(*extra);
  if (identity.user.empty()) return std::optional<Identity>();
  return std::optional<Identity>(std::move(identity));
}

Result<bool> ReviewClient::review_access(const Identity& identity, const AccessQuestion& question) {
  const std::string_view resource = question.right.resource;
  const std::size_t slash = resource.find('/');
  Json attributes{{"group", kAccessGroup},
                  {"verb", question.right.verb},
                  {"resource", resource.substr(0, slash)}};
  if (slash != std::string_view::npos) attributes["subresource"] = resource.substr(slash + 1);
  if (!question.namespace_name.empty()) attributes["namespace"] = question.namespace_name;
  if (!question.queue.empty()) attributes["name"] = question.queue;
  Json spec{{"user", identity.user}, {"groups", identity.groups}};
  spec["resourceAttributes"] = std::move(attributes);
  if (!identity.uid.empty()) spec["uid"] = identity.uid;
  if (!identity.extra_json.empty()) spec["extra"] = parse(identity.extra_json);
  const Json review{{"apiVersion", "authorization.k8s.io/v1"},
                    {"kind", "SubjectAccessReview"},
                    {"spec", std::move(spec)}};

  const auto answer = post(kAccessReviews, dump(review));
  if (!answer) return answer.error();
  const Json status = parse(*answer);
  return is_true(status, "allowed") && !is_true(status, "denied");
}

}  // namespace sluice::broker
