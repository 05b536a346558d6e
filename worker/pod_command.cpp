#include "worker/pod_command.h"

#include <cstdio>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "worker/control_socket.h"

namespace sluice::worker {
namespace {

namespace fs = std::filesystem;

constexpr int kUsageStatus = 64;  // EX_USAGE
constexpr const char* kOwnProgram = "/proc/self/exe";

int say(const Error& error) {
  std::fprintf(stderr, "sluice-worker: %s\n", error.message.c_str());
  return 1;
}

int install(const std::string& path) {
  const Status done = install_program(kOwnProgram, path);
  return done ? 0 : say(done.error());
}

int ask_ready(const std::string& socket) {
  const auto answer = ask_worker(socket, "ready");
  if (!answer) return say(answer.error());
  if (*answer == "ready") return 0;
  return say({ErrorCode::kUnavailable, *answer});
}

int ask_drain(const std::string& socket) {
  const auto answer = ask_worker(socket, "drain");
  return answer ? 0 : say(answer.error());  // no worker holds no job; the pod's events tell
}

Error cannot_install(const std::string& to, const std::error_code& error) {
  return {ErrorCode::kUnavailable, "cannot install " + to + ": " + error.message()};
}

}  // namespace

Status install_program(const std::string& from, const std::string& to) {
  // Whoever finds the file at its place may execute it, so it comes there whole.
  const std::string draft = to + ".new";
  std::error_code error;
  if (const fs::path folder = fs::path(to).parent_path(); !folder.empty()) {
    fs::create_directories(folder, error);
    if (error) return cannot_install(to, error);
  }
  fs::copy_file(from, draft, fs::copy_options::overwrite_existing, error);
  if (!error) fs::permissions(draft, fs::perms{0755}, error);
  if (!error) fs::rename(draft, to, error);
  if (error) return cannot_install(to, error);
  return Ok{};
}

std::optional<int> run_pod_command(int argc, const char* const* argv) {
  using Command = int (*)(const std::string& argument);
  struct Named {
    std::string_view name;
    const char* argument;
    Command run;
  };
  static constexpr Named kCommands[] = {{"install", "PATH", install},
                                        {"ready", "SOCKET", ask_ready},
                                        {"pre-stop", "SOCKET", ask_drain}};
  if (argc < 2) return std::nullopt;
  for (const Named& command : kCommands) {
    if (command.name != argv[1]) continue;
    if (argc == 3) return command.run(argv[2]);
    std::fprintf(stderr, "usage: sluice-worker %s %s\n", argv[1], command.argument);
    return kUsageStatus;
  }
  return std::nullopt;
}

}  // namespace sluice::worker
