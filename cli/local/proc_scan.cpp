#include "cli/local/proc_scan.h"

#include <charconv>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>

#include "cli/local/files.h"

namespace sluice::local {
namespace {

constexpr std::size_t kEnvironmentBytesMax = 4 * 1024 * 1024;
constexpr std::size_t kStatBytesMax = 4 * 1024;

// Calls `visit(pid, folder)` for every process there is.
template <typename Visit>
void for_each_process(Visit visit) {
  std::error_code error;
  for (std::filesystem::directory_iterator it("/proc", error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().filename().string();
    int pid = 0;
    const auto parsed = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (parsed.ec == std::errc{} && parsed.ptr == name.data() + name.size()) visit(pid, it->path());
  }
}

bool holds_entry(std::string_view environment, std::string_view entry) {
  while (!environment.empty()) {
    const std::size_t end = environment.find('\0');
    if (environment.substr(0, end) == entry) return true;
    if (end == std::string_view::npos) return false;
    environment.remove_prefix(end + 1);
  }
  return false;
}

}  // namespace

std::vector<int> processes_with_environment(std::string_view entry) {
  std::vector<int> found;
  for_each_process([&](int pid, const std::filesystem::path& folder) {
    const auto environment = read_file(folder / "environ", kEnvironmentBytesMax);
    if (environment && holds_entry(*environment, entry)) found.push_back(pid);
  });
  return found;
}

std::vector<int> children_of(int parent) {
  std::vector<int> found;
  for_each_process([&](int pid, const std::filesystem::path& folder) {
    const auto stat = read_file(folder / "stat", kStatBytesMax);
    if (!stat) return;
    // "pid (name) state ppid …": the name may hold anything, also parentheses.
    const std::size_t name_end = stat->rfind(") ");
    if (name_end == std::string::npos || name_end + 4 >= stat->size()) return;
    const char state = (*stat)[name_end + 2];
    int ppid = 0;
    std::from_chars(stat->data() + name_end + 4, stat->data() + stat->size(), ppid);
    if (ppid == parent && state != 'Z' && state != 'X') found.push_back(pid);
  });
  return found;
}

}  // namespace sluice::local
