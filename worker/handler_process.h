// One run of the user's program: its process group and what comes out of it.
#pragma once

#include <poll.h>
#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/api/job_protocol.h"
#include "common/base/result.h"
#include "worker/follow_ups.h"
#include "worker/handler_outcome.h"
#include "worker/progress_line.h"
#include "worker/text.h"

namespace sluice::worker {

// A descriptor that closes itself.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() { reset(); }
  Descriptor(Descriptor&& other) noexcept : fd_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept;

  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }
  int release();
  void reset();

 private:
  int fd_ = -1;
};

// Nothing here blocks: the owner polls the descriptors, calls pump() when one is ready, and
// finish() once has_exited(). What it writes beyond the bounds is read and dropped, so that no
// handler stalls on a full pipe.
//
// Threads: belongs to one thread.
class HandlerProcess {
 public:
  struct Start {
    std::string program;
    std::vector<std::string> argv;
    std::vector<std::string> environment;
    std::string_view input;           // what it reads on standard input
    std::string_view parents = "{}";  // and on descriptor 4
    std::size_t output_bytes_max = 64 * 1024;
  };

  // kNotFound when the program cannot be executed, kUnavailable when this machine is short of
  // something (processes, descriptors, memory).
  static Result<std::unique_ptr<HandlerProcess>> start(const Start& start);

  // Kills the group when it still runs.
  ~HandlerProcess();
  HandlerProcess(const HandlerProcess&) = delete;
  HandlerProcess& operator=(const HandlerProcess&) = delete;

  pid_t pid() const { return pid_; }

  // What to poll for: its pipes, and its end.
  void add_poll(std::vector<pollfd>& polled) const;

  // Reads what has come, at most a bounded amount; the rest comes with the next call.
  void pump();
  std::optional<api::Progress> take_progress() { return progress_.take(); }

  // To the whole group.
  void signal(int number) const;

  bool has_exited() const;

  // Ends what the handler left behind in its group and collects it. Requires has_exited(); once.
  HandlerExit finish();

 private:
  explicit HandlerProcess(std::size_t output_bytes_max) : output_(output_bytes_max) {}

  // True when there may be more at once.
  bool read_from(Descriptor& pipe, void (HandlerProcess::*take)(std::string_view));
  void take_output(std::string_view bytes) { output_.feed(bytes); }
  void take_error(std::string_view bytes) { error_tail_.feed(bytes); }
  void take_progress_bytes(std::string_view bytes) { progress_.feed(bytes); }
  void take_follow_ups(std::string_view bytes) { follow_ups_.feed(bytes); }

  pid_t pid_ = -1;   // also the group's id; -1 once collected
  Descriptor exit_;  // a pidfd: readable once the process has ended
  Descriptor output_pipe_;
  Descriptor error_pipe_;
  Descriptor progress_pipe_;
  Descriptor follow_up_pipe_;
  HeadBuffer output_;
  TailBuffer error_tail_;
  ProgressStream progress_;
  HeadBuffer follow_ups_{kFollowUpBytesMax};
};

}  // namespace sluice::worker
