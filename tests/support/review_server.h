// The part of the Kubernetes API that says who somebody is and what they may.
#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/support/tls_server.h"

namespace sluice::testing {

// Answers TokenReview and SubjectAccessReview as an API server with RBAC would, for the tokens and
// grants a test names. Any thread.
class ReviewServer {
 public:
  // What callers must show; another token is answered 401.
  static constexpr const char* kOwnToken = "reviewer-token";

  explicit ReviewServer(const std::optional<TlsIdentity>& identity = {});
  ~ReviewServer();

  std::string url(std::string_view host = "127.0.0.1") const { return server_->url(host); }

  void add_token(const std::string& token, const std::string& user,
                 const std::vector<std::string>& audiences);
  void remove_token(const std::string& token);
  // "update queues/dead"; in all namespaces when none is named, for all queues likewise.
  void grant(const std::string& user, const std::string& verb_and_resource,
             const std::string& namespace_name = {}, const std::string& queue = {});

  enum class Mood { kAnswers, kFails, kHangsUp };
  void set_mood(Mood mood);
  // Reviews wait from hold() to release().
  void hold();
  void release();

  int token_reviews() const;  // that came in
  int access_reviews() const;

 private:
  struct Known {
    std::string user;
    std::vector<std::string> audiences;
  };

  void serve(TlsPeer& peer);
  std::string review_token(const std::string& body);
  std::string review_access(const std::string& body);

  mutable std::mutex mutex_;
  std::condition_variable released_;
  bool held_ = false;
  Mood mood_ = Mood::kAnswers;
  int token_reviews_ = 0;
  int access_reviews_ = 0;
  std::map<std::string, Known> tokens_;
  std::set<std::string> grants_;     // "user|verb resource|namespace|queue"
  std::optional<TlsServer> server_;  // last: its threads use the members above
};

}  // namespace sluice::testing
