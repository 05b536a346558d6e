// The token a client shows.
#pragma once

#include <mutex>
#include <optional>
#include <string>

#include "common/base/result.h"
#include "common/http/client.h"
#include "common/http/watched_file.h"

namespace sluice::http {

// Threads: any.
class BearerToken {
 public:
  explicit BearerToken(const ClientOptions& options);

  // The token as it is now, or "" when none is configured. `fresh` looks into the file whatever its
  // times say. kUnavailable when there is no token in the file.
  Result<std::string> get(bool fresh = false);

 private:
  std::mutex mutex_;
  std::string fixed_;
  std::optional<WatchedFile> file_;
};

}  // namespace sluice::http
