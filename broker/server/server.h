// The broker as a server: its engine's loop behind an HTTP listener.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "broker/engine/engine.h"
#include "broker/server/callback_sender.h"
#include "broker/server/connection_times.h"
#include "broker/server/limits.h"
#include "broker/server/review_client.h"
#include "broker/storage/store.h"
#include "common/base/clock.h"
#include "common/base/result.h"

namespace sluice::broker {

struct TlsFiles {
  std::string certificate;
  std::string key;
};

struct ServerOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;               // 0: any free one
  std::optional<TlsFiles> tls;          // absent: plain HTTP
  std::optional<ReviewOptions> access;  // absent: whoever reaches us may do everything
  CallbackOptions callbacks;
  bool insecure_listen = false;  // without `access`, also beyond loopback
  int threads = 2;
  std::uint64_t disk_reserve_bytes = limits::kDiskReserveBytes;
  std::string backup_folder;  // empty: none are made
  ConnectionTimes times = {};
};

// Threads: start() and stop() from one thread. Requests run on `threads` network threads, each
// connection on one of them for its life.
class Server {
 public:
  // The `field` of an error that is about the address to listen on.
  static constexpr const char* kListenField = "--listen";

  // All outlive the server; the engine is loaded.
  Server(Engine& engine, Store& store, const Clock& clock, ServerOptions options);
  // Requires: stopped, or never started.
  ~Server();

  // Requests are served when this returns. kInvalidArgument for an address that may not be bound
  // and for keys that are none, kUnavailable for what cannot be bound or read.
  Status start();
  std::uint16_t port() const;

  // Takes no more connections, answers long polls at once, finishes the requests under way (for a
  // bounded time), and stops the engine's loop: everything answered is on disk.
  void stop();

 private:
  class Running;
  std::unique_ptr<Running> running_;
};

}  // namespace sluice::broker
