#include "cli/local/broker_process.h"

#include <algorithm>
#include <csignal>
#include <utility>

namespace sluice::local {
namespace {

constexpr std::string_view kListening = "listening on http://";
constexpr std::string_view kProgram = "sluice-broker: ";    // before what it says of itself
constexpr std::string_view kHelpOffer = "Run with --help";  // after what is wrong

}  // namespace

BrokerProcess::BrokerProcess(EventLoop& loop, Processes& processes, const Clock& clock,
                             BrokerCommand command, BoundedLog log, Events events)
    : loop_(loop),
      processes_(processes),
      clock_(clock),
      command_(std::move(command)),
      log_(std::move(log)),
      events_(std::move(events)) {}

void BrokerProcess::start() {
  if (stopping_) return;
  listening_since_.reset();
  last_line_.clear();
  const Command command{
      .argv = {command_.program, "--listen", command_.listen, "--data", command_.data_folder,
               "--backup-dir", command_.backup_folder, "--exit-with-parent"},
      .env = {},
      .working_folder = {}};
  auto pid = processes_.start(command, {.on_line = [this](std::string_view line) { on_line(line); },
                                        .on_end = [this](const ProcessEnd& end) { on_end(end); }});
  if (pid) {
    pid_ = *pid;
  } else {
    on_failed_start(pid.error().message);
  }
}

void BrokerProcess::stop(int signal) {
  stopping_ = true;
  if (pid_) processes_.signal(*pid_, signal);
}

void BrokerProcess::on_line(std::string_view line) {
  log_.write_line(line);
  if (!line.starts_with(kListening)) {
    if (line.starts_with(kProgram)) line.remove_prefix(kProgram.size());
    if (!line.empty() && !line.starts_with(kHelpOffer)) last_line_ = line;
    return;
  }
  has_listened_ = true;
  listening_since_ = clock_.now().steady;
  failed_starts_ = 0;
  command_.listen = line.substr(kListening.size());
  events_.on_listening("http://" + command_.listen);
}

void BrokerProcess::on_end(const ProcessEnd& end) {
  pid_.reset();
  if (stopping_) return;
  if (is_refusal(end)) return events_.on_given_up(last_line_);
  const std::string reason =
      "the broker ended with " + to_string(end) + (last_line_.empty() ? "" : ": " + last_line_);
  if (!listening_since_) return on_failed_start(reason);
  events_.on_died(reason);
  if (clock_.now().steady - *listening_since_ >= kSteadyAfter) backoff_ = kBackoffMin;
  start_later();
}

bool BrokerProcess::is_refusal(const ProcessEnd& end) const {
  return end.exit_code == kUsageExitCode && !has_listened_ && !last_line_.empty();
}

void BrokerProcess::on_failed_start(const std::string& reason) {
  if (++failed_starts_ >= kFailedStartsMax) return events_.on_given_up(reason);
  events_.on_died(reason);
  start_later();
}

void BrokerProcess::start_later() {
  loop_.after(backoff_, [this] { start(); });
  backoff_ = std::min(backoff_ * 2, kBackoffMax);
}

}  // namespace sluice::local
