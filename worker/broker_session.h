// The broker's worker calls.
#pragma once

#include <string>
#include <vector>

#include "common/api/job_protocol.h"
#include "common/base/result.h"
#include "common/http/client.h"

namespace sluice::worker {

// Whom a worker works for, and under which name.
struct WorkerIdentity {
  http::Url broker;
  std::string namespace_name;
  std::string queue;
  std::string name;
  std::string instance;
  http::ClientOptions access = {};  // whom to trust, and the token to show
};

// Blocking; every call has a timeout of its own. Any status but 200 is an Error.
//
// Threads: any; a call takes a connection of its own.
class BrokerSession {
 public:
  explicit BrokerSession(const WorkerIdentity& identity);

  // Waits at the broker up to `wait` for a job; `max` at most.
  Result<api::ClaimReply> claim(int max, std::chrono::seconds wait);

  Result<api::ExtendReply> extend(const std::vector<api::LeaseReport>& leases, bool draining,
                                  Duration timeout);

  Result<api::SettleReply> settle(const std::vector<api::Settlement>& settlements);

  // For good: calls under way and later ones fail.
  void cancel() { client_.cancel(); }

 private:
  Result<std::string> post(const std::string& call, std::string body, Duration timeout);

  const WorkerIdentity identity_;
  http::Client client_;
};

}  // namespace sluice::worker
