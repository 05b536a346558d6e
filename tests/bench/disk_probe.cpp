#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <string>

#include "tests/bench/scenarios.h"

namespace sluice::bench {

bool run_disk_probe(const Settings& settings) {
  static constexpr std::size_t kWriteBytes = 512;
  const std::string path = settings.folder + "/disk-probe";
  const int fd = ::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
  if (fd < 0) die("cannot write to " + path);

  const std::string bytes(kWriteBytes, 'x');
  Latencies latencies;
  const auto begin = BenchClock::now();
  const auto end = begin + std::chrono::seconds(settings.quick ? 1 : 5);
  auto now = begin;
  while (now < end) {
    if (::write(fd, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()) ||
        ::fdatasync(fd) != 0) {
      die("cannot write to " + path);
    }
    const auto after = BenchClock::now();
    latencies.add(after - now);
    now = after;
  }
  ::close(fd);
  ::unlink(path.c_str());

  const Row rate = rate_row({}, latencies.count(), now - begin);
  print(latency_row("the disk: write 512 bytes + fdatasync", rate.figure, latencies));
  return true;
}

}  // namespace sluice::bench
