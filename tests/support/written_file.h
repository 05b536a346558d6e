// Files that a test replaces under a running program.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

namespace sluice::testing {

// Swaps the file in one step, as kubelets do.
inline void replace_file(const std::filesystem::path& path, const std::string& text) {
  const std::filesystem::path next = path.string() + ".next";
  std::ofstream(next) << text;
  std::filesystem::rename(next, path);
}

}  // namespace sluice::testing
