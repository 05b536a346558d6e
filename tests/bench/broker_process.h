// The broker under test, as a child process with a folder of its own.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "tests/bench/client_loop.h"

namespace sluice::bench {

// Killed when it goes out of scope, and by the kernel when this process ends.
class BrokerProcess {
 public:
  // Returns when `GET /readyz` answers 200; default settings on a free port.
  BrokerProcess(std::string binary, std::string data_folder);
  ~BrokerProcess();
  BrokerProcess(const BrokerProcess&) = delete;
  BrokerProcess& operator=(const BrokerProcess&) = delete;

  std::uint16_t port() const { return port_; }
  double resident_mib() const;
  // User and system time since its start, in steps of 10 ms.
  double cpu_seconds() const;

  // kill -9, then a new process on the same data; how long until it was ready.
  BenchClock::duration restart();

 private:
  void start();
  void kill();
  void wait_until_ready() const;

  std::string binary_;
  std::string data_folder_;
  pid_t pid_ = -1;
  std::uint16_t port_ = 0;
};

}  // namespace sluice::bench
