#include "tests/integration/broker_process.h"

#include <signal.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "tests/support/environment.h"

namespace sluice::testing {

namespace {

constexpr std::string_view kListening = "listening on http://";
const std::string kReserve = "--disk-reserve-bytes";

}  // namespace

BrokerProcess::BrokerProcess(std::filesystem::path data, std::vector<std::string> options)
    : data_(std::move(data)), options_(std::move(options)) {
  start();
}

void BrokerProcess::start() {
  process_.emplace(command(listen_, data_, options_));
  const std::string line = process_->wait_for_line(kListening);
  if (!line.starts_with(kListening)) {
    std::fprintf(stderr, "the broker does not serve\n%s", process_->report().c_str());
    std::abort();
  }
  listen_ = line.substr(kListening.size());
  url_ = "http://" + listen_;
}

void BrokerProcess::kill9() {
  process_->kill9();
}

std::optional<ProcessEnd> BrokerProcess::terminate() {
  process_->signal(SIGTERM);
  return process_->wait();
}

ChildProcess::Start BrokerProcess::command(const std::string& listen,
                                           const std::filesystem::path& data,
                                           const std::vector<std::string>& options) {
  std::vector<std::string> argv = {program_path("sluice-broker").string(),
                                   "--listen",
                                   listen,
                                   "--data",
                                   data.string(),
                                   "--exit-with-parent"};
  argv.insert(argv.end(), options.begin(), options.end());
  // The reserve is for real disks: a test must also pass on a small temporary file system.
  if (std::find(options.begin(), options.end(), kReserve) == options.end()) {
    argv.insert(argv.end(), {kReserve, "0"});
  }
  return {.argv = std::move(argv)};
}

}  // namespace sluice::testing
