#include "operator/kube/certificates.h"

#include <algorithm>
#include <utility>

#include "operator/kube/x509.h"

namespace sluice::op {
namespace {

using Step = CertificatePlan::Step;

// With the time behind it: two authorities of one name are hard to tell apart for some clients.
constexpr const char* kCaName = "sluice-ca-";
// In the subject, which nobody checks; the names stand in the certificate's alternative names.
constexpr const char* kServerName = "sluice-broker";

Error cannot_make() {
  return {ErrorCode::kInternal, "OpenSSL does not make a certificate"};
}

// The files, read.
struct Present {
  explicit Present(const CertificateFiles& files)
      : cas(read_certificates(files.ca_certificates)), ca_key(read_key(files.ca_key)) {
    auto chain = read_certificates(files.server_certificate);
    if (!chain.empty()) server = std::move(chain.front());
    server_key = read_key(files.server_key);
  }

  bool has_usable_ca(TimePoint now) const {
    return !cas.empty() && ca_key && is_pair(cas.front().get(), ca_key.get()) &&
           now < valid_until(cas.front().get());
  }
  bool has_usable_server(const std::vector<std::string>& names, TimePoint now) const {
    return server && server_key && is_pair(server.get(), server_key.get()) &&
           now < valid_until(server.get()) &&
           std::all_of(
               names.begin(), names.end(),
               [this](const std::string& name) { return is_good_for(server.get(), name); });
  }
  // Which CA signed the server's certificate; absent when none of these.
  x509_st* issuer() const {
    for (const X509Pointer& ca : cas) {
      if (is_signed_by(server.get(), ca.get())) return ca.get();
    }
    return nullptr;
  }

  std::vector<X509Pointer> cas;
  KeyPointer ca_key;
  X509Pointer server;
  KeyPointer server_key;
};

TimePoint made_at(const x509_st* certificate) {
  return valid_from(certificate) + kBackdated;
}

CertificatePlan keep_until(TimePoint then) {
  return {Step::kKeep, {}, then};
}

CertificatePlan act(Step step, std::string reason, TimePoint now) {
  return {step, std::move(reason), now};
}

// While the new CA spreads, and after the server's certificate moved to it.
CertificatePlan plan_rotation(const Present& present, TimePoint now) {
  const bool moved = present.issuer() == present.cas.front().get();
  const TimePoint since = made_at(moved ? present.server.get() : present.cas.front().get());
  if (now < since + kCaSpread) return keep_until(since + kCaSpread);
  return moved ? act(Step::kDropOldCas, "the old certificate authority is used no more", now)
               : act(Step::kIssueServer, "the new certificate authority has spread", now);
}

}  // namespace

Result<KeyPair> make_ca(std::string_view common_name, TimePoint now) {
  const KeyPointer key = make_key();
  if (!key) return cannot_make();
  const X509Pointer certificate =
      make_certificate({std::string(common_name), {}, now - kBackdated, now + kCaLifetime},
                       key.get(), nullptr, nullptr);
  if (!certificate) return cannot_make();
  return KeyPair{to_pem(certificate.get()), to_pem(key.get())};
}

Result<KeyPair> make_server_certificate(const KeyPair& ca, const std::vector<std::string>& names,
                                        TimePoint now) {
  const auto cas = read_certificates(ca.certificate);
  const KeyPointer ca_key = read_key(ca.key);
  const KeyPointer key = make_key();
  if (cas.empty() || !ca_key || !key || names.empty()) return cannot_make();
  // What outlives its CA would be trusted by nobody.
  const TimePoint until = std::min(now + kServerLifetime, valid_until(cas.front().get()));
  const X509Pointer certificate = make_certificate({kServerName, names, now - kBackdated, until},
                                                   key.get(), cas.front().get(), ca_key.get());
  if (!certificate) return cannot_make();
  return KeyPair{to_pem(certificate.get()), to_pem(key.get())};
}

CertificatePlan plan_certificates(const CertificateFiles& files,
                                  const std::vector<std::string>& names, TimePoint now) {
  const Present present(files);
  if (!present.has_usable_ca(now)) {
    return act(Step::kMakeAll, "there is no usable certificate authority", now);
  }
  // A broken or missing certificate serves nobody: nothing is gained by waiting.
  if (!present.has_usable_server(names, now)) {
    return act(Step::kIssueServer, "there is no usable server certificate", now);
  }
  if (present.issuer() == nullptr) {
    return act(Step::kIssueServer, "the server certificate is of an unknown authority", now);
  }
  if (present.cas.size() > 1) return plan_rotation(present, now);

  const TimePoint renew_ca = valid_until(present.cas.front().get()) - kCaRenewal;
  if (now >= renew_ca) return act(Step::kAddCa, "the certificate authority ends soon", now);
  const TimePoint renew_server = valid_until(present.server.get()) - kServerRenewal;
  if (now >= renew_server) {
    return act(Step::kIssueServer, "the server certificate ends soon", now);
  }
  return keep_until(std::min(renew_ca, renew_server));
}

Result<CertificateFiles> carry_out(Step step, const CertificateFiles& present,
                                   const std::vector<std::string>& names, TimePoint now) {
  CertificateFiles files = present;
  if (step == Step::kKeep) return files;
  if (step == Step::kDropOldCas) {
    const auto cas = read_certificates(files.ca_certificates);
    if (cas.empty()) return cannot_make();
    files.ca_certificates = to_pem(cas.front().get());
    return files;
  }
  if (step != Step::kIssueServer) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count();
    auto ca = make_ca(kCaName + std::to_string(seconds), now);
    if (!ca) return std::move(ca).error();
    files.ca_key = ca->key;
    // Only what can still be in use stays trusted.
    const auto old = read_certificates(present.ca_certificates);
    files.ca_certificates = ca->certificate;
    if (step == Step::kAddCa && !old.empty()) files.ca_certificates += to_pem(old.front().get());
    if (step == Step::kAddCa) return files;
  }
  auto server = make_server_certificate({files.ca_certificates, files.ca_key}, names, now);
  if (!server) return std::move(server).error();
  files.server_certificate = server->certificate;
  files.server_key = server->key;
  return files;
}

}  // namespace sluice::op
