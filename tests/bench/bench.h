// What the scenarios share: a broker of their own with one queue.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "tests/bench/broker_process.h"
#include "tests/bench/client_loop.h"
#include "tests/bench/queue_client.h"
#include "tests/bench/scenarios.h"

namespace sluice::bench {

inline constexpr std::size_t kSingleConnections = 64;
inline constexpr std::size_t kBatchConnections = 8;
inline constexpr std::size_t kBatchJobs = 100;
inline constexpr std::chrono::seconds kRestBeforeMemory{10};
inline constexpr std::string_view kDefaultSpec = "{}";

inline std::size_t scaled(const Settings& settings, std::size_t full, std::size_t quick) {
  return settings.quick ? quick : full;
}

// A fresh broker with one queue.
class Bench {
 public:
  Bench(const Settings& settings, std::size_t connections, std::string_view spec = kDefaultSpec)
      : folder_(fresh_folder(settings)), broker_(settings.broker, folder_), loop_(broker_.port()) {
    loop_.connect(connections);
    queue_.emplace(loop_, "work", spec);
  }
  ~Bench() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  BrokerProcess& broker() { return broker_; }
  ClientLoop& loop() { return loop_; }
  QueueClient& queue() { return *queue_; }
  bool is_complete() { return queue_->is_complete(loop_); }

 private:
  static std::string fresh_folder(const Settings& settings) {
    std::string folder = settings.folder + "/broker";
    std::filesystem::remove_all(folder);
    return folder;
  }

  std::string folder_;
  BrokerProcess broker_;
  ClientLoop loop_;
  std::optional<QueueClient> queue_;
};

}  // namespace sluice::bench
