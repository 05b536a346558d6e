// The settings that the parts of BrokerWorld share.
#pragma once

#include <chrono>

#include "common/api/resources.h"

namespace sluice::broker::testing {

inline constexpr int kMaxAttempts = 4;
inline constexpr int kMaxLeaseLosses = 3;
inline constexpr std::chrono::seconds kLease{10};
inline constexpr std::chrono::seconds kTimeoutGrace{5};
inline constexpr const char* kPayload = "{}";
inline const api::Callback kCallback{"https://receiver.example/hook", ""};
inline constexpr const char* kAfter = "after";  // the label of a follow-up: whose it is

}  // namespace sluice::broker::testing
