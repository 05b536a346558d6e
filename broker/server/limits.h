// Every limit the HTTP server holds a client to, in one place.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace sluice::broker::limits {

using namespace std::chrono_literals;

// --- connections ---
inline constexpr std::size_t kConnectionsMax = 16'384;
inline constexpr auto kIdleMax = 120s;    // between requests
inline constexpr auto kHeaderMax = 10s;   // from a request's first byte to the end of its header
inline constexpr auto kSilenceMax = 30s;  // within a body, or of a reader that takes nothing
inline constexpr auto kLingerMax = 2s;    // for a refused body, so that the refusal is read
inline constexpr std::size_t kLingerBytesMax = 1024 * 1024;
inline constexpr auto kShutdownMax = 10s;  // for requests under way when the broker stops

// --- requests ---
inline constexpr std::size_t kHeaderBytesMax = 16 * 1024;
inline constexpr std::size_t kBodyBytesMax = 1024 * 1024;
inline constexpr std::size_t kBatchBytesMax = 16 * 1024 * 1024;
inline constexpr std::size_t kJobOverheadBytesMax = 64 * 1024;  // beside the payload of one job
inline constexpr std::size_t kRequestMemoryBytesMax = 256 * 1024 * 1024;  // bodies of all requests
inline constexpr std::size_t kJsonDepthMax = 128;
inline constexpr std::size_t kPathSegmentsMax = 10;

// --- members ---
inline constexpr int kWaitSecondsMax = 60;
inline constexpr std::size_t kBatchJobsMax = 1'000;
inline constexpr std::size_t kSettlementsMax = 1'000;
inline constexpr std::size_t kFollowUpsMax = 100;  // jobs that one settlement enqueues
inline constexpr std::size_t kLeasesMax = 10'000;
inline constexpr int kClaimJobsMax = 1'000;
inline constexpr std::size_t kIdsMax = 10'000;
inline constexpr int kDeadJobsMax = 10'000;  // of one redrive or purge call
inline constexpr int kRedrivePerSecondMax = 100'000;
// Results of parents in memory for one call, when their children are enqueued or claimed.
inline constexpr std::size_t kParentResultBytesMax = 64 * 1024 * 1024;
inline constexpr int kListMax = 1'000;
inline constexpr int kListDefault = 100;
inline constexpr std::size_t kListRowBudget = 5'000;
inline constexpr std::size_t kListPayloadBytesMax = 4 * 1024 * 1024;  // of one page
inline constexpr std::size_t kOutcomesMax = 500;
inline constexpr std::size_t kNameBytesMax = 253;        // of workers, instances, uids
inline constexpr std::size_t kTenantBytesMax = 4 * 128;  // a manifest's 128 characters
inline constexpr std::size_t kKeyBytesMax = 4 * 256;     // and its 256
inline constexpr std::size_t kIdempotencyKeyBytesMax = 255;
inline constexpr std::size_t kEventAttributeBytesMax = 4096;  // of a CloudEvent
inline constexpr std::size_t kLabelsMax = 64;
inline constexpr std::size_t kLabelKeyBytesMax = 317;
inline constexpr std::size_t kLabelValueBytesMax = 256;
inline constexpr int kSecondsMax = 10 * 366 * 24 * 3600;  // of any duration: ten years
inline constexpr std::size_t kUnknownMembersMax = 256;    // ignored ones, of one object

// --- who may call ---
inline constexpr std::size_t kTokenBytesMax = 8 * 1024;
inline constexpr auto kGrantedMax = 60s;  // how long a yes of the Kubernetes API is believed
inline constexpr auto kRefusedMax = 5s;   // and a no
inline constexpr std::size_t kVerdictsMax = 20'000;  // kept, of each kind
inline constexpr std::size_t kReviewsMax = 1'000;    // that wait or are under way
inline constexpr int kReviewThreads = 4;
inline constexpr auto kReviewMax = 5s;  // for one answer
inline constexpr int kReviewRetrySeconds = 1;
inline constexpr std::size_t kNamespacesMax = 100;  // that one call names

// --- streams ---
inline constexpr auto kKeepAlive = 10s;
inline constexpr std::size_t kStreamBytesMax = 4 * 1024 * 1024;  // waiting for a slow reader

// --- disk ---
inline constexpr std::uint64_t kDiskReserveBytes = 512ull * 1024 * 1024;
inline constexpr std::size_t kReserveResultBytesMax = 1024;  // results that may use the reserve

}  // namespace sluice::broker::limits
