#include "tests/support/review_server.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace sluice::testing {
namespace {

using Json = nlohmann::json;

std::string grant_key(const std::string& user, const std::string& what,
                      const std::string& namespace_name, const std::string& queue) {
  return user + "|" + what + "|" + namespace_name + "|" + queue;
}

}  // namespace

ReviewServer::ReviewServer(const std::optional<TlsIdentity>& identity) {
  server_.emplace(identity, [this](TlsPeer& peer) { serve(peer); });
}

ReviewServer::~ReviewServer() {
  release();
}

void ReviewServer::add_token(const std::string& token, const std::string& user,
                             const std::vector<std::string>& audiences) {
  const std::scoped_lock lock(mutex_);
  tokens_[token] = {user, audiences};
}

void ReviewServer::remove_token(const std::string& token) {
  const std::scoped_lock lock(mutex_);
  tokens_.erase(token);
}

void ReviewServer::grant(const std::string& user, const std::string& verb_and_resource,
                         const std::string& namespace_name, const std::string& queue) {
  const std::scoped_lock lock(mutex_);
  grants_.insert(grant_key(user, verb_and_resource, namespace_name, queue));
}

void ReviewServer::set_mood(Mood mood) {
  const std::scoped_lock lock(mutex_);
  mood_ = mood;
}

void ReviewServer::hold() {
  const std::scoped_lock lock(mutex_);
  held_ = true;
}

void ReviewServer::release() {
  const std::scoped_lock lock(mutex_);
  held_ = false;
  released_.notify_all();
}

int ReviewServer::token_reviews() const {
  const std::scoped_lock lock(mutex_);
  return token_reviews_;
}

int ReviewServer::access_reviews() const {
  const std::scoped_lock lock(mutex_);
  return access_reviews_;
}

void ReviewServer::serve(TlsPeer& peer) {
  while (const auto request = peer.read_request()) {
    std::unique_lock lock(mutex_);
    const bool is_token = request->target == "/apis/authentication.k8s.io/v1/tokenreviews";
    ++(is_token ? token_reviews_ : access_reviews_);
    released_.wait(lock, [this] { return !held_; });
    if (mood_ == Mood::kHangsUp) return;

    const auto shown = request->headers.find("authorization");
    const bool is_known =
        shown != request->headers.end() && shown->second == std::string("Bearer ") + kOwnToken;
    int status = 201;
    std::string body = "{}";
    if (mood_ == Mood::kFails) {
      status = 500;
    } else if (!is_known) {
      status = 401;
    } else {
      body = is_token ? review_token(request->body) : review_access(request->body);
    }
    lock.unlock();
    if (!peer.reply(status, body)) return;
  }
}

std::string ReviewServer::review_token(const std::string& body) {
  Json review = Json::parse(body);
  const auto known = tokens_.find(review["spec"]["token"].get<std::string>());
  Json audiences = Json::array();
  if (known != tokens_.end()) {
    for (const Json& asked : review["spec"]["audiences"]) {
      const auto& has = known->second.audiences;
      if (std::find(has.begin(), has.end(), asked.get<std::string>()) != has.end()) {
        audiences.push_back(asked);
      }
    }
  }
  if (audiences.empty()) {
    review["status"] = {{"user", Json::object()}, {"error", "invalid bearer token"}};
    return review.dump();
  }
  review["status"] = {{"authenticated", true},
                      {"user",
                       {{"username", known->second.user},
                        {"uid", "uid-1"},
                        {"groups", {"system:serviceaccounts", "system:authenticated"}},
                        {"extra", {{"example.org/pod", {"pod-1"}}}}}},
                      {"audiences", audiences}};
  return review.dump();
}

std::string ReviewServer::review_access(const std::string& body) {
  Json review = Json::parse(body);
  Json spec = review["spec"];
  Json attributes = spec["resourceAttributes"];
  const std::string subresource = attributes.value("subresource", "");
  const std::string what = attributes.value("verb", "") + " " + attributes.value("resource", "") +
                           (subresource.empty() ? "" : "/" + subresource);
  const std::string user = spec.value("user", "");
  const std::string in = attributes.value("namespace", "");
  const std::string name = attributes.value("name", "");
  const bool allowed = attributes.value("group", "") == "sluice.dev" &&
                       (grants_.contains(grant_key(user, what, "", "")) ||
                        grants_.contains(grant_key(user, what, in, "")) ||
                        grants_.contains(grant_key(user, what, in, name)));
  review["status"] = {{"allowed", allowed}};
  return review.dump();
}

}  // namespace sluice::testing
