// What a namespace holds, and may hold.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace sluice::broker {

// Jobs are those that have not ended and the dead letters; bytes are these jobs' payloads. What the
// broker makes itself (deliveries, follow-up jobs) counts, and is never refused.
struct NamespaceUsage {
  std::int64_t jobs = 0;
  std::int64_t bytes = 0;
};

struct NamespaceLimits {  // absent: none
  std::optional<std::int64_t> queues;
  std::optional<std::int64_t> jobs;
  std::optional<std::int64_t> bytes;
};

// By namespace; those of "" hold for every namespace without its own.
using NamespaceLimitTable = std::map<std::string, NamespaceLimits>;

}  // namespace sluice::broker
