// The numbers on disk for enumerators: an entry's place in its table. Tables only ever grow at the
// end, whatever order the enumerators are declared in.
#pragma once

#include <array>
#include <cstddef>

#include "broker/engine/types.h"
#include "broker/storage/bytes.h"
#include "common/base/check.h"

namespace sluice::broker {

inline constexpr std::array kJobStateCodes = {
    api::JobState::kBlocked,   api::JobState::kScheduled, api::JobState::kReady,
    api::JobState::kRunning,   api::JobState::kSucceeded, api::JobState::kDead,
    api::JobState::kCancelled,
};
inline constexpr std::array kOutcomeCodes = {
    api::Outcome::kSucceeded,
    api::Outcome::kFailed,
    api::Outcome::kReleased,
};
inline constexpr std::array kRunEndCodes = {
    RunEnd::kSucceeded, RunEnd::kFailed,  RunEnd::kReleased,
    RunEnd::kLeaseLost, RunEnd::kTimeout, RunEnd::kDisrupted,
};
inline constexpr std::array kRetryActionCodes = {
    api::RetryAction::kRetry,
    api::RetryAction::kDead,
    api::RetryAction::kIgnore,
};

template <typename Enum, std::size_t N>
void write_code(const std::array<Enum, N>& codes, Enum value, ByteWriter& out) {
  static_assert(N <= 256);
  std::size_t code = 0;
  while (code < N && codes[code] != value) ++code;
  CHECK(code < N);
  out.u8(static_cast<std::uint8_t>(code));
}

template <typename Enum, std::size_t N>
Enum read_code(const std::array<Enum, N>& codes, ByteReader& in, const char* what) {
  const std::size_t code = in.u8(what);
  if (code < N) return codes[code];
  in.fail(what, "is not known");
  return codes[0];
}

}  // namespace sluice::broker
