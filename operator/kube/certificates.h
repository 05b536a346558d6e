// The certificates of the parts of one installation: made, and replaced in time.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"

namespace sluice::op {

inline constexpr Duration kCaLifetime = std::chrono::hours{24 * 3650};
inline constexpr Duration kServerLifetime = std::chrono::hours{24 * 365};
// Replaced when less than this is left.
inline constexpr Duration kCaRenewal = std::chrono::hours{24 * 365};
inline constexpr Duration kServerRenewal = std::chrono::hours{24 * 120};
// How long a new CA is published before anything is signed with it: for ConfigMaps to be written
// and kubelets to bring them into pods.
inline constexpr Duration kCaSpread = std::chrono::minutes{10};
// Valid since a little before now, as clocks differ.
inline constexpr Duration kBackdated = std::chrono::hours{1};

// PEM texts, as in the Secret `sluice-tls`.
struct CertificateFiles {
  std::string ca_certificates;  // ca.crt: first the one that goes with ca_key, then older ones
  std::string ca_key;           // ca.key
  std::string server_certificate;
  std::string server_key;

  friend bool operator==(const CertificateFiles&, const CertificateFiles&) = default;
};

struct KeyPair {
  std::string certificate;
  std::string key;
};

// ECDSA P-256. kInternal when OpenSSL cannot.
Result<KeyPair> make_ca(std::string_view common_name, TimePoint now);
// `names`: DNS names and IP addresses; the certificate is good for each.
Result<KeyPair> make_server_certificate(const KeyPair& ca, const std::vector<std::string>& names,
                                        TimePoint now);

// What is to be done with the present files, and when to look again at the latest.
struct CertificatePlan {
  enum class Step {
    kKeep,
    kMakeAll,      // nothing usable is there: a new CA and a server certificate
    kIssueServer,  // a server certificate of the present CA
    kAddCa,        // a new CA, trusted beside the old one, which still signs the server's
    kDropOldCas,   // nothing in use is signed by them any more
  };
  Step step = Step::kKeep;
  std::string reason;  // for the Event and the log
  TimePoint look_again_at;
};

// Reads nothing but its arguments. Rotating the CA takes three steps, each a write of its own:
// kAddCa; kCaSpread later kIssueServer, now by the new CA; kCaSpread later kDropOldCas.
CertificatePlan plan_certificates(const CertificateFiles& present,
                                  const std::vector<std::string>& names, TimePoint now);

// The files after the plan's step.
Result<CertificateFiles> carry_out(CertificatePlan::Step step, const CertificateFiles& present,
                                   const std::vector<std::string>& names, TimePoint now);

}  // namespace sluice::op
