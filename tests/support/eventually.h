// Waiting for a fact about another process: bounded, and over as soon as it holds.
#pragma once

#include <chrono>
#include <thread>
#include <utility>

namespace sluice::testing {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

// Only how long a failing test takes: a passing one never waits that long.
inline constexpr std::chrono::seconds kPatience{kSanitized ? 120 : 60};
inline constexpr std::chrono::milliseconds kPollEvery{10};

// Whether `fact` became true in time.
template <typename Fact>
[[nodiscard]] bool eventually(Fact fact, std::chrono::milliseconds patience = kPatience,
                              std::chrono::milliseconds poll_every = kPollEvery) {
  const auto end = std::chrono::steady_clock::now() + patience;
  while (!fact()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(poll_every);
  }
  return true;
}

}  // namespace sluice::testing
