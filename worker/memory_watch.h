// Whether the kernel ended something of ours for want of memory.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace sluice::worker {

// Reads the oom_kill counter of a cgroup's memory.events (cgroup v2). The counter is the whole
// cgroup's, so a rise only says that one of the handlers running then was hit.
class MemoryWatch {
 public:
  explicit MemoryWatch(std::string events_file) : events_file_(std::move(events_file)) {}

  // The cgroup this process is in.
  static MemoryWatch of_this_process();

  // Absent when the file cannot be read.
  std::optional<std::uint64_t> kills() const;

 private:
  std::string events_file_;
};

}  // namespace sluice::worker
