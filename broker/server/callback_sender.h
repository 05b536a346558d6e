// Delivers callbacks: jobs of the namespaces' reserved queues, each a message to post.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "broker/commit/engine_loop.h"
#include "broker/storage/store.h"
#include "common/base/clock.h"
#include "common/http/address_block.h"
#include "common/http/client.h"

namespace sluice::broker {

struct CallbackOptions {
  // Beside what is globally routable (common/http/address_block.h).
  std::vector<http::AddressBlock> allowed;
  // FOLDER/NAMESPACE.NAME is the secret that callbacks of a namespace name as NAME; empty: there
  // are none.
  std::string secrets_folder;
  std::string ca_file =
      "/etc/ssl/certs/ca-certificates.crt";  // whom https receivers are trusted by
};

// Claims and settles as a worker would, with threads of its own that post and wait. A delivery is
// an HTTP POST as Standard Webhooks has it; anything but a 2xx is a failure, and 410 also ends the
// deliveries to that URL for a day (or until a restart).
//
// Threads: wake() and stop() from any; the threads are made as they are needed.
class CallbackSender {
 public:
  static constexpr std::size_t kThreadsMax = 16;
  static constexpr std::size_t kGoneUrlsMax = 10'000;

  // All outlive the sender.
  CallbackSender(EngineLoop& loop, Store& store, const Clock& clock, CallbackOptions options);
  // Requires: stopped.
  ~CallbackSender();

  // This queue may have something to deliver. Does not block.
  void wake(const QueueName& queue, QueueNumber number);
  // Ends the deliveries under way and hands them back. Before the engine's loop is stopped.
  void stop();

 private:
  struct Delivery;
  class Line;

  void deliver_for_ever();
  std::optional<QueueName> next_queue();
  std::optional<Delivery> claim(const QueueName& queue);
  void settle(const Delivery& delivery, SettleRequest request);
  SettleRequest deliver(const Delivery& delivery, Line& line);
  void judge(const Delivery& delivery, const http::Response& response, SettleRequest& settlement);
  Result<std::string> signature(const Delivery& delivery, const std::string& timestamp) const;
  bool is_gone(const std::string& url);
  void note_gone(const std::string& url);

  EngineLoop& loop_;
  Store& store_;
  const Clock& clock_;
  const CallbackOptions options_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<QueueName, QueueNumber> due_;
  std::map<std::string, SteadyPoint> gone_;  // URLs, and until when
  std::set<Line*> lines_;
  std::vector<std::thread> threads_;
  std::size_t idle_ = 0;
  QueueName last_;  // whose turn it was
  bool stopped_ = false;
};

}  // namespace sluice::broker
