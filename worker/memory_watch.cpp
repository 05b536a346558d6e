#include "worker/memory_watch.h"

#include <fstream>

namespace sluice::worker {

MemoryWatch MemoryWatch::of_this_process() {
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    if (line.starts_with("0::")) {
      return MemoryWatch("/sys/fs/cgroup" + line.substr(3) + "/memory.events");
    }
  }
  return MemoryWatch("/sys/fs/cgroup/memory.events");
}

std::optional<std::uint64_t> MemoryWatch::kills() const {
  std::ifstream events(events_file_);
  std::string name;
  for (std::uint64_t count = 0; events >> name >> count;) {
    if (name == "oom_kill") return count;
  }
  return std::nullopt;
}

}  // namespace sluice::worker
