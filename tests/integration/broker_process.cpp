#include "tests/integration/broker_process.h"

#include <signal.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "tests/support/environment.h"

namespace sluice::testing {

namespace {

constexpr std::string_view kListening = "listening on http://";

}  // namespace

BrokerProcess::BrokerProcess(std::filesystem::path data, std::vector<std::string> options)
    : data_(std::move(data)), options_(std::move(options)) {
  start();
}

void BrokerProcess::start() {
  ChildProcess::Start how = command(listen_, data_);
  how.argv.insert(how.argv.end(), options_.begin(), options_.end());
  process_.emplace(how);
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
                                           const std::filesystem::path& data) {
  // The reserve is for real disks: a test must also pass on a small temporary file system.
  return {.argv = {program_path("sluice-broker").string(), "--listen", listen, "--data",
                   data.string(), "--disk-reserve-bytes", "0", "--exit-with-parent"}};
}

}  // namespace sluice::testing
