// The broker's calls as the scenarios make them, and the count of what must not be lost.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "tests/bench/client_loop.h"

namespace sluice::bench {

inline constexpr std::size_t kPayloadBytes = 200;

// {"n":NUMBER,"pad":"…"} of kPayloadBytes.
std::string make_payload(std::size_t number);

struct ClaimedJob {
  std::string_view id;  // into the reply
  std::string_view lease;
  std::size_t number = 0;  // of its payload
};

// Requests and replies of one queue, without a JSON library: the shapes are ours.
class QueueClient {
 public:
  // Makes the queue; `spec_json` is its spec.
  QueueClient(ClientLoop& loop, std::string name, std::string_view spec_json);

  std::string enqueue_request(std::size_t number) const;
  std::string enqueue_batch_request(std::size_t jobs) const;
  std::string claim_request(std::size_t max, int wait_seconds) const;
  std::string settle_request(const std::vector<ClaimedJob>& jobs) const;

  // Ends the process when the reply does not acknowledge all of `jobs`.
  void enqueued(const Reply& reply, std::size_t jobs);
  void settled(const Reply& reply, std::size_t jobs);
  static std::vector<ClaimedJob> claimed(const Reply& reply);

  // Fills the queue in batches over the loop's first eight connections.
  void fill(std::size_t jobs);

  // Whether the broker still knows every acknowledged job that was not settled; says so if not. On
  // the first connection.
  bool is_complete(ClientLoop& loop) const;

 private:
  ClientLoop& loop_;
  std::string target_;
  std::size_t enqueued_ = 0;
  std::size_t settled_ = 0;
};

}  // namespace sluice::bench
