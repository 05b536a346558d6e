// Questions to the Kubernetes API: whose token is this, and may they.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "broker/server/access_rules.h"
#include "common/base/result.h"
#include "common/http/client.h"

namespace sluice::broker {

struct ReviewOptions {
  http::Url api;
  std::string ca_file;
  std::string token_file;
};

struct AccessQuestion {
  Right right;
  std::string namespace_name;  // empty: all of them
  std::string queue;           // empty: all of the namespace
};

// TokenReview and SubjectAccessReview. Calls block, for a bounded time. Any answer but a review is
// kUnavailable: what is not known is not granted, and not refused for good either.
//
// Threads: any.
class ReviewClient {
 public:
  explicit ReviewClient(const ReviewOptions& options);

  // Absent: the token is nobody's, or for none of the audiences.
  Result<std::optional<Identity>> review_token(const std::string& token,
                                               const std::vector<std::string>& audiences);
  Result<bool> review_access(const Identity& identity, const AccessQuestion& question);

  // Calls under way and later ones end with kUnavailable.
  void stop() { client_.cancel(); }

 private:
  // The status of the review that `review_json` asks for.
  Result<std::string> post(const char* target, std::string review_json);

  http::Client client_;
};

}  // namespace sluice::broker
