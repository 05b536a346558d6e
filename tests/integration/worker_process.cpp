#include "tests/integration/worker_process.h"

#include <signal.h>

#include "tests/support/environment.h"

namespace sluice::testing {
namespace {

ChildProcess::Start command(const WorkerProcess::Start& start) {
  ChildProcess::Start command;
  command.argv = start.launcher;
  command.argv.push_back(start.program.empty() ? program_path("sluice-worker").string()
                                               : start.program);
  command.argv.insert(command.argv.end(), {"--broker", start.broker_url, "--queue", start.queue,
                                           "--name", start.name, "--exit-with-parent"});
  command.argv.insert(command.argv.end(), start.options.begin(), start.options.end());
  if (!start.script.empty()) {
    command.argv.insert(command.argv.end(), {"--", "/bin/sh", "-c", start.script});
  }
  command.environment = start.environment;
  return command;
}

}  // namespace

WorkerProcess::WorkerProcess(const Start& start) : process_(command(start)) {}

std::optional<ProcessEnd> WorkerProcess::terminate() {
  process_.signal(SIGTERM);
  return process_.wait();
}

}  // namespace sluice::testing
