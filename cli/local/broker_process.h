// The broker of local mode: kept running, restarted when it dies.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "cli/local/bounded_log.h"
#include "cli/local/event_loop.h"
#include "cli/local/processes.h"
#include "common/base/clock.h"
#include "common/base/result.h"

namespace sluice::local {

struct BrokerCommand {
  std::string program;  // path of sluice-broker
  std::string listen;   // "127.0.0.1:7070"
  std::string data_folder;
  std::string backup_folder;
};

// Threads: the event loop's, which must not run any more once this is gone.
class BrokerProcess {
 public:
  static constexpr int kFailedStartsMax = 4;  // in a row; then it is given up
  // How it refuses an option: before it ever listened, nothing to try again.
  static constexpr int kUsageExitCode = 2;
  static constexpr Duration kBackoffMin = std::chrono::milliseconds{200};
  static constexpr Duration kBackoffMax = std::chrono::seconds{5};
  static constexpr Duration kSteadyAfter =
      std::chrono::seconds{10};  // a run that resets the backoff
  static constexpr std::size_t kLogBytesMax = 16 * 1024 * 1024;

  struct Events {
    std::function<void(const std::string& url)> on_listening;  // after every start
    std::function<void(const std::string& message)> on_died;   // and is being restarted
    std::function<void(const std::string& message)> on_given_up;
  };

  BrokerProcess(EventLoop& loop, Processes& processes, const Clock& clock, BrokerCommand command,
                BoundedLog log, Events events);

  // Restarts go to the address that was listened on first, so that port 0 stays one port.
  void start();
  // SIGTERM, or `signal`; it is not restarted.
  void stop(int signal);
  bool is_running() const { return pid_.has_value(); }

 private:
  void on_line(std::string_view line);
  void on_end(const ProcessEnd& end);
  bool is_refusal(const ProcessEnd& end) const;
  void on_failed_start(const std::string& reason);
  void start_later();

  EventLoop& loop_;
  Processes& processes_;
  const Clock& clock_;
  BrokerCommand command_;
  BoundedLog log_;
  Events events_;
  std::optional<Pid> pid_;
  std::string last_line_;
  std::optional<SteadyPoint> listening_since_;  // this process
  bool has_listened_ = false;                   // any
  bool stopping_ = false;
  int failed_starts_ = 0;
  Duration backoff_ = kBackoffMin;
};

}  // namespace sluice::local
