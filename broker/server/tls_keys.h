// The certificate the broker shows, and its key.
#pragma once

#include <memory>
#include <string>

#include "common/base/result.h"
#include "common/http/watched_file.h"

struct ssl_ctx_st;
struct ssl_st;

namespace sluice::broker {

struct FreeSession {
  void operator()(ssl_st* session) const;
};
using TlsSession = std::unique_ptr<ssl_st, FreeSession>;

// Two PEM files that others may replace at any time. New connections use what is there now;
// connections that live keep what they began with. A pair that is broken, or half replaced, is
// logged, and the last good one stays.
//
// Threads: not synchronized.
class TlsKeys {
 public:
  TlsKeys(std::string certificate_file, std::string key_file);

  // Requires to be called first. kInvalidArgument or kUnavailable when there is no good pair.
  Status load();

  // A session of a server, with the present pair; null when there is no memory for it.
  TlsSession new_session();

 private:
  // Whether there was something new and it is good.
  Result<bool> reload();

  http::WatchedFile certificate_;
  http::WatchedFile key_;
  std::shared_ptr<ssl_ctx_st> context_;
  std::string problem_;  // the one that was logged last
};

}  // namespace sluice::broker
