// Keeps the installation's certificates in their Secret, and its CA where queues are.
#pragma once

#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "operator/controller/object_store.h"
#include "operator/kube/certificates.h"
#include "operator/kube/patient_calls.h"

namespace sluice::kube {

inline constexpr const char* kTlsSecret = "sluice-tls";
inline constexpr const char* kCaConfigMap = "sluice-ca";

struct CertificateKeeperOptions {
  std::string namespace_name;  // the Secret's
  std::string tls_service;     // whose certificates are made; empty: none
  std::string ca_file;         // published when none are made: brought by the installation
  // How often the Secret and what was published are looked at again.
  Duration look_every = std::chrono::minutes{1};
  Duration publish_again_every = std::chrono::minutes{10};
  Duration retry_after = std::chrono::seconds{2};
};

// Only the leader runs one. Everything is idempotent, and written only when it differs.
//
// Threads: start() and stop() from one thread; a thread of its own does the rest.
class CertificateKeeper {
 public:
  // All outlive it; stop() needs no help from the client.
  CertificateKeeper(ApiClient& client, op::ObjectStore& store, const Clock& clock,
                    CertificateKeeperOptions options);
  ~CertificateKeeper();  // stops
  CertificateKeeper(const CertificateKeeper&) = delete;
  CertificateKeeper& operator=(const CertificateKeeper&) = delete;

  // Returns at once.
  void start();
  void stop();

  // A file of this process with the CA that brokers are to be trusted by, up to date while the
  // mounted one lags by a minute; without content until it is known. No path when no certificates
  // are made.
  const std::string& ca_path() const { return ca_path_; }

 private:
  void run();
  // One step of the plan; when to look again.
  Result<TimePoint> keep_certificates();
  Result<op::CertificateFiles> read_secret(std::string& version);
  Status write_secret(const op::CertificateFiles& files, const std::string& version);
  Status take_ca(const std::string& ca);
  void publish();
  Status publish_to(const std::string& namespace_name);
  void add_namespace(const std::string& namespace_name);

  op::ObjectStore& store_;
  const Clock& clock_;
  const CertificateKeeperOptions options_;
  const std::vector<std::string> names_;  // of the service
  PatientCalls calls_;
  std::string ca_path_;
  int ca_fd_ = -1;
  std::string ca_;  // as last read; the running thread's

  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_stopped_ = false;
  std::set<std::string> namespaces_;  // with queues
  std::set<std::string> unpublished_;
  std::unique_ptr<op::Watch> watch_;
  std::thread thread_;
};

}  // namespace sluice::kube
