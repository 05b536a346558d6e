// Where the other processes of a worker's pod reach it: its hook and its probe.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "common/base/result.h"
#include "worker/handler_process.h"

namespace sluice::worker {

// A Unix socket; each connection asks one line and gets one back. Everybody in the pod may ask,
// whatever user they run as.
//
// Threads: `answer` is called on a thread for each connection, and may block for as long as it
// likes; it returns soon once the destructor was called.
class ControlSocket {
 public:
  using Answer = std::function<std::string(std::string_view question)>;

  static constexpr std::size_t kConnectionsMax = 16;
  static constexpr std::size_t kLineBytesMax = 64;

  // Takes the place of a socket that an earlier process left at `path`.
  static Result<std::unique_ptr<ControlSocket>> open(const std::string& path, Answer answer);
  ~ControlSocket();
  ControlSocket(const ControlSocket&) = delete;
  ControlSocket& operator=(const ControlSocket&) = delete;

 private:
  struct Caller {
    Descriptor connection;
    std::thread thread;
    bool is_done = false;  // guarded by mutex_
  };

  ControlSocket(std::string path, Descriptor listener, Answer answer);
  void accept_callers();
  void serve(Caller& caller);
  void forget_done();

  const std::string path_;
  const Descriptor listener_;
  const Descriptor wakeup_;  // an eventfd: the destructor was called
  const Answer answer_;
  std::mutex mutex_;
  std::list<Caller> callers_;  // the accepting thread's
  std::thread accepting_;
};

// The worker's answer to `question`. kUnavailable when there is no worker, or it has ended without
// one. Waits as long as it takes.
Result<std::string> ask_worker(const std::string& path, std::string_view question);

}  // namespace sluice::worker
