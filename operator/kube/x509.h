// One certificate, as far as its rotation needs to know it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"

struct x509_st;
struct evp_pkey_st;

namespace sluice::op {

struct FreeX509 {
  void operator()(x509_st* certificate) const;
  void operator()(evp_pkey_st* key) const;
};
using X509Pointer = std::unique_ptr<x509_st, FreeX509>;
using KeyPointer = std::unique_ptr<evp_pkey_st, FreeX509>;

// Every certificate of a PEM text, in its order; what is none is passed over.
std::vector<X509Pointer> read_certificates(const std::string& pem);
// Null when there is none.
KeyPointer read_key(const std::string& pem);

TimePoint valid_from(const x509_st* certificate);
TimePoint valid_until(const x509_st* certificate);
bool is_pair(const x509_st* certificate, const evp_pkey_st* key);
bool is_signed_by(x509_st* certificate, x509_st* ca);
bool is_good_for(x509_st* certificate, const std::string& name);

std::string to_pem(x509_st* certificate);
std::string to_pem(const evp_pkey_st* key);

struct NewCertificate {
  std::string common_name;
  std::vector<std::string> names;  // none: a certificate authority
  TimePoint from;
  TimePoint until;
};
// Null when OpenSSL cannot.
KeyPointer make_key();
// Signed by `ca_key` in the name of `ca`; by itself when `ca` is null.
X509Pointer make_certificate(const NewCertificate& wanted, evp_pkey_st* key, x509_st* ca,
                             evp_pkey_st* ca_key);

}  // namespace sluice::op
