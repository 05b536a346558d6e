// The real API server behind the proxy that tests control.
#pragma once

#include <string>

#include "common/base/check.h"
#include "operator/kube/kube_config.h"
#include "tests/support/kube_proxy.h"

namespace sluice::testing {

// With the rights of `config`, which names host and port and holds a token or a certificate.
inline ProxyTarget proxy_target_of(const kube::KubeConfig& config) {
  const std::size_t host = config.server.find("://") + 3;
  const std::size_t port = config.server.rfind(':') + 1;
  CHECK(port > host);
  const auto ca = config.ca.read();
  const auto certificate = config.client_certificate.read();
  const auto key = config.client_key.read();
  CHECK(ca && certificate && key);
  ProxyTarget target{.host = config.server.substr(host, port - 1 - host),
                     .port = std::stoi(config.server.substr(port)),
                     .token = config.token};
  if (config.server.starts_with("https://")) {
    target.tls = TlsIdentity{.certificate_pem = *certificate, .key_pem = *key, .ca_pem = *ca};
  }
  return target;
}

}  // namespace sluice::testing
