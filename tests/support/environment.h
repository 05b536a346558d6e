// What ctest tells the tests through environment variables (tests/CMakeLists.txt).
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

#include "common/base/check.h"

namespace sluice::testing {

// Aborts when ctest did not set it: a test that is started by hand needs it too.
inline std::string required_variable(const char* name) {
  const char* const value = std::getenv(name);
  CHECK(value != nullptr);
  return value;
}

// One of our programs: "sluice-broker", "sluice-worker", "sluice".
inline std::filesystem::path program_path(const char* name) {
  return std::filesystem::path(required_variable("SLUICE_BIN_DIR")) / name;
}

}  // namespace sluice::testing
