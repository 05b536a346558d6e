// Whose certificates a client accepts.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "common/base/result.h"
#include "common/http/client.h"
#include "common/http/watched_file.h"

struct ssl_ctx_st;
struct ssl_st;

namespace sluice::http {

// The certificate authorities of the options, and no others. New connections see a changed file.
//
// Threads: any.
class TlsTrust {
 public:
  explicit TlsTrust(const ClientOptions& options);

  // kUnavailable when there is nobody to trust.
  Result<std::shared_ptr<ssl_ctx_st>> context();

  // Makes `session` accept only a certificate for this host, a name or an address.
  Status expect_host(ssl_st* session, const std::string& url_host) const;

 private:
  std::mutex mutex_;
  const std::string server_name_;
  std::string pem_;
  std::optional<WatchedFile> file_;
  std::shared_ptr<ssl_ctx_st> context_;
};

// What was wrong with the peer's certificate; "" when nothing was.
std::string certificate_problem(ssl_st* session);

}  // namespace sluice::http
