// The program a worker runs for each job.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/api/job_protocol.h"
#include "common/base/result.h"

namespace sluice::worker {

struct HandlerCommand {
  std::string program;            // the file to execute
  std::vector<std::string> argv;  // as the user wrote it
};

// Finds argv[0] as a path when it holds a slash, otherwise in `search_path` (the form of PATH).
// kNotFound, with a message that names what was looked for, when it could not be started, for a
// reason that obstacle_to() knows.
Result<HandlerCommand> resolve_command(std::vector<std::string> argv, std::string_view search_path);

// Why `file` cannot be executed: no such file, not executable, a script whose interpreter is
// missing or that names none; absent when nothing is seen. The kernel may know better.
std::optional<std::string> obstacle_to(const std::string& file);

// A handler's environment: `inherited` without the worker's own settings, and the facts of the job.
std::vector<std::string> handler_environment(const std::vector<std::string>& inherited,
                                             std::string_view queue, const api::ClaimedJob& job);

}  // namespace sluice::worker
