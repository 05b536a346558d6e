// What a TLS connection to the API server trusts and shows.
#pragma once

#include <memory>
#include <string>

#include "common/base/result.h"

using SSL = struct ssl_st;
using SSL_CTX = struct ssl_ctx_st;

namespace sluice::kube {

struct TlsOptions {
  std::string ca_pem = {};       // empty: the system's authorities
  std::string server_name = {};  // a DNS name or an IP address the certificate must hold
  bool skips_verify = false;
  std::string client_certificate_pem = {};  // with its chain
  std::string client_key_pem = {};
};

// Parsed once, applied to each connection.
//
// Threads: any.
class TlsSettings {
 public:
  // kInvalidArgument when a certificate or key cannot be read or they do not belong together.
  static Result<std::shared_ptr<const TlsSettings>> parse(const TlsOptions& options);
  ~TlsSettings();
  TlsSettings(const TlsSettings&) = delete;
  TlsSettings& operator=(const TlsSettings&) = delete;

  // The context of a connection to be made: trust, name check, client certificate.
  void apply(SSL_CTX* context) const;
  // The name the server is asked for, before the handshake; none for an IP address.
  void apply_server_name(SSL* connection) const;

  bool skips_verify() const;
  // Why the last certificate was refused ("unable to get local issuer certificate"), or empty.
  std::string last_refusal() const;

 private:
  struct Parsed;
  explicit TlsSettings(std::unique_ptr<Parsed> parsed);

  std::unique_ptr<Parsed> parsed_;
};

}  // namespace sluice::kube
