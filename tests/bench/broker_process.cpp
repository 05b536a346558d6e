#include "tests/bench/broker_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <utility>

namespace sluice::bench {
namespace {

constexpr std::string_view kListening = "listening on http://";

// The port from the line that the broker prints when it serves. The pipe stays open for what it may
// print later.
std::uint16_t read_port(int fd) {
  std::string line;
  for (char c = 0; ::read(fd, &c, 1) == 1;) {
    if (c != '\n') {
      line.push_back(c);
      continue;
    }
    if (line.starts_with(kListening)) {
      const std::size_t colon = line.rfind(':');
      std::uint16_t port = 0;
      std::from_chars(line.data() + colon + 1, line.data() + line.size(), port);
      if (port != 0) return port;
    }
    line.clear();
  }
  die("the broker ended before it listened");
}

}  // namespace

BrokerProcess::BrokerProcess(std::string binary, std::string data_folder)
    : binary_(std::move(binary)), data_folder_(std::move(data_folder)) {
  start();
}

BrokerProcess::~BrokerProcess() {
  kill();
}

void BrokerProcess::start() {
  int out[2];
  if (::pipe2(out, O_CLOEXEC) != 0) die("pipe2");
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) die("fork");
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);
    ::dup2(out[1], STDOUT_FILENO);
    ::execl(binary_.c_str(), binary_.c_str(), "--listen", "127.0.0.1:0", "--data",
            data_folder_.c_str(), static_cast<char*>(nullptr));
    ::_exit(127);
  }
  ::close(out[1]);
  port_ = read_port(out[0]);  // left open: a broker that prints on must not get SIGPIPE
  wait_until_ready();
}

void BrokerProcess::wait_until_ready() const {
  for (bool ready = false; !ready;) {
    ClientLoop loop(port_);
    loop.connect(1);
    loop.send(0, make_request("GET", "/readyz", ""));
    for (bool answered = false; !answered;) {
      loop.poll(std::nullopt, [&](std::size_t, const Reply& reply) {
        answered = true;
        ready = reply.status == 200;
      });
    }
    if (!ready) loop.rest(std::chrono::milliseconds{1});
  }
}

void BrokerProcess::kill() {
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

BenchClock::duration BrokerProcess::restart() {
  kill();
  const auto begin = BenchClock::now();
  start();
  return BenchClock::now() - begin;
}

double BrokerProcess::resident_mib() const {
  std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) return std::atof(line.c_str() + 6) / 1024;
  }
  die("the broker has no VmRSS");
}

double BrokerProcess::cpu_seconds() const {
  std::ifstream stat("/proc/" + std::to_string(pid_) + "/stat");
  const std::string text((std::istreambuf_iterator<char>(stat)), {});
  // Fields 14 and 15; the second is a name in parentheses.
  std::istringstream fields(text.substr(std::min(text.size(), text.rfind(')') + 1)));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  double user_ticks = 0;
  double system_ticks = 0;
  if (!(fields >> user_ticks >> system_ticks)) die("the broker has no CPU times");
  return (user_ticks + system_ticks) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

}  // namespace sluice::bench
