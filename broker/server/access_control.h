// Lets a call through, or says what its caller lacks. Included by this folder's .cpp files alone.
#pragma once

#include <memory>
#include <string>

#include "broker/server/review_client.h"
#include "broker/server/review_desk.h"

namespace sluice::broker {

// Bearer tokens by TokenReview, rights by SubjectAccessReview (access_rules.h). A verdict is
// believed for limits::kGrantedMax at most, also while the Kubernetes API is away. Tokens are kept
// as digests only.
//
// Threads: any network thread; the Kubernetes API is asked on threads of its own.
class AccessControl {
 public:
  // `clock` outlives it.
  AccessControl(const ReviewOptions& options, const Clock& clock);
  // Requires: stopped, or never used.
  ~AccessControl();

  // kUnauthenticated, kPermissionDenied; kUnavailable when the Kubernetes API does not say.
  Task<Status> check(const Request& request, const RouteMatch& match);
  // Whether the caller of a call that check() let through holds this right on its queue, too.
  Task<Status> check_right(const Request& request, const RouteMatch& match, const Right& right);

  // Calls that still wait end with kUnavailable.
  void stop();

 private:
  using Caller = std::shared_ptr<const Identity>;  // null: nobody we know

  Task<Result<Caller>> identify(const Request& request, const RouteMatch& match, bool as_worker);
  Task<Status> check_everywhere(const Caller& caller, const Request& request,
                                const RouteMatch& match, const Right& right);
  Task<Status> check_in(const Caller& caller, const Request& request, const Right& right,
                        const std::string& namespace_name, const std::string& queue);

  ReviewClient client_;
  net::thread_pool pool_{limits::kReviewThreads};
  ReviewDesk<Caller> callers_;
  ReviewDesk<bool> rights_;
};

}  // namespace sluice::broker
