#include "worker/handler_command.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <optional>
#include <system_error>
#include <utility>

#include "worker/text.h"

namespace sluice::worker {
namespace {

constexpr std::array<std::string_view, 5> kJobVariables = {
    "SLUICE_JOB_ID", "SLUICE_QUEUE", "SLUICE_ATTEMPT", "SLUICE_DEADLINE", "TRACEPARENT"};
constexpr std::string_view kWorkerPrefix = "SLUICE_WORKER_";

std::string reason_of(int error) {
  return std::generic_category().message(error);
}

// Of a file that begins with `first`. A shell runs a text without #! by itself, the kernel does
// not.
std::optional<std::string> obstacle_in(std::string_view first) {
  if (!first.starts_with("#!")) {
    const bool is_text = first.find('\0') == std::string_view::npos;  // no program is without one
    if (is_text) return "it is a script whose first line does not begin with #!";
    return std::nullopt;
  }
  const std::string_view line = trimmed(first.substr(2, first.find('\n') - 2));
  const std::string interpreter(line.substr(0, line.find_first_of(" \t")));
  if (access(interpreter.c_str(), X_OK) != 0) {
    return "its interpreter " + interpreter + ": " + reason_of(errno);
  }
  return std::nullopt;
}

Error cannot_start(const std::string& command, const std::string& why) {
  return {ErrorCode::kNotFound, "cannot start the handler \"" + command + "\": " + why};
}

}  // namespace

std::optional<std::string> obstacle_to(const std::string& file) {
  struct stat info;
  if (stat(file.c_str(), &info) != 0) return reason_of(errno);
  if (!S_ISREG(info.st_mode)) return "it is not a file";
  if (access(file.c_str(), X_OK) != 0) return reason_of(errno);
  if (info.st_size == 0) return "it is empty";

  std::array<char, 256> first{};
  std::ifstream stream(file, std::ios::binary);
  stream.read(first.data(), first.size());
  const auto count = static_cast<std::size_t>(stream.gcount());
  if (count == 0) return std::nullopt;  // executable, and not ours to read
  return obstacle_in({first.data(), count});
}

Result<HandlerCommand> resolve_command(std::vector<std::string> argv,
                                       std::string_view search_path) {
  if (argv.empty() || argv[0].empty()) return cannot_start("", "no command is given");
  const std::string name = argv[0];
  if (name.find('/') != std::string::npos) {
    if (const auto why = obstacle_to(name)) return cannot_start(name, *why);
    return HandlerCommand{name, std::move(argv)};
  }

  std::optional<std::string> nearest_miss;
  for (bool is_last = false; !is_last;) {
    const std::size_t colon = search_path.find(':');
    is_last = colon == std::string_view::npos;
    const std::string folder(search_path.substr(0, colon));
    if (!is_last) search_path.remove_prefix(colon + 1);

    std::string file = (folder.empty() ? "." : folder) + "/" + name;
    const auto why = obstacle_to(file);
    if (!why) return HandlerCommand{std::move(file), std::move(argv)};
    if (access(file.c_str(), F_OK) == 0 && !nearest_miss) nearest_miss = file + ": " + *why;
  }
  return cannot_start(name, nearest_miss.value_or("there is no such program in PATH"));
}

std::vector<std::string> handler_environment(const std::vector<std::string>& inherited,
                                             std::string_view queue, const api::ClaimedJob& job) {
  const auto is_ours = [](std::string_view variable) {
    const std::string_view name = variable.substr(0, variable.find('='));
    return name.starts_with(kWorkerPrefix) ||
           std::find(kJobVariables.begin(), kJobVariables.end(), name) != kJobVariables.end();
  };
  std::vector<std::string> environment;
  std::remove_copy_if(inherited.begin(), inherited.end(), std::back_inserter(environment), is_ours);
  environment.push_back("SLUICE_JOB_ID=" + job.id);
  environment.push_back("SLUICE_QUEUE=" + std::string(queue));
  environment.push_back("SLUICE_ATTEMPT=" + std::to_string(job.attempt));
  environment.push_back("SLUICE_DEADLINE=" + job.deadline);
  if (!job.traceparent.empty()) environment.push_back("TRACEPARENT=" + job.traceparent);
  return environment;
}

}  // namespace sluice::worker
