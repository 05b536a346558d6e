// Who we say we are, kept fresh: tokens and certificates that files and plugins replace.
#pragma once

#include <memory>
#include <string>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "operator/kube/kube_config.h"

namespace sluice::kube {

// What one request carries.
struct Credential {
  std::string authorization = {};  // the header's value, or empty
  std::string client_certificate_pem = {};
  std::string client_key_pem = {};

  friend bool operator==(const Credential&, const Credential&) = default;
};

// Any thread. current() may read files or run a plugin and blocks meanwhile; never on a thread of
// the HTTP library's pool.
class CredentialSource {
 public:
  virtual ~CredentialSource() = default;

  // kUnauthenticated when there is no usable credential; kUnavailable after cancel().
  virtual Result<Credential> current() = 0;
  // The server answered 401 to `used`: it is not handed out again without a look at its origin.
  virtual void rejected(const Credential& used) = 0;
  // Ends calls under way, and refuses later ones. For good.
  virtual void cancel() = 0;
};

// A token in a file is read again when the file changes, when kTokenFileLife has passed, and after
// a rejection.
inline constexpr Duration kTokenFileLife = std::chrono::minutes{1};
inline constexpr Duration kPluginTimeMax = std::chrono::minutes{1};

// `clock` outlives the source.
std::unique_ptr<CredentialSource> make_credential_source(const KubeConfig& config,
                                                         const Clock& clock,
                                                         Duration plugin_time_max = kPluginTimeMax);

}  // namespace sluice::kube
