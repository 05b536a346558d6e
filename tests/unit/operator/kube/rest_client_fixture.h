// An API client in front of a server that a test scripts.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/base/check.h"
#include "operator/kube/rest_client.h"
#include "tests/support/manual_clock.h"
#include "tests/support/test_certificates.h"
#include "tests/support/tls_server.h"

namespace sluice::kube {

inline std::unique_ptr<ApiClient> client_of(const KubeConfig& config,
                                            RequestObserver* observer = nullptr) {
  static const testing::ManualClock clock;
  auto client =
      make_rest_client(config, {.user_agent = "sluice-test", .clock = clock, .observer = observer});
  CHECK(client);
  return *std::move(client);
}

// What a server saw, from its threads.
class Seen {
 public:
  void add(std::string fact) {
    const std::scoped_lock lock(mutex_);
    facts_.push_back(std::move(fact));
  }
  std::vector<std::string> all() const {
    const std::scoped_lock lock(mutex_);
    return facts_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> facts_;
};

// Answers every request with 200 and "{}".
inline void answer_all(testing::TlsPeer& peer) {
  while (peer.read_request()) peer.reply(200, "{}");
}

inline testing::TlsIdentity identity_of(const testing::KeyAndCertificate& pair) {
  return {.certificate_pem = pair.certificate_pem, .key_pem = pair.key_pem};
}

}  // namespace sluice::kube
