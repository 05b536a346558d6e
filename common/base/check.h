// Broken invariants end the process, in every build.
#pragma once

namespace sluice {

// Prints `expression` and its place on stderr and aborts.
[[noreturn]] void check_failed(const char* expression, const char* file, int line);

}  // namespace sluice

// For programmer errors only; what the outside world can cause is a Result.
#define CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::sluice::check_failed(#condition, __FILE__, __LINE__))
