// Bounds of the resource fields, one name each. The CRDs' schemas (crds/) mirror them, and
// docs/resources.md states them for people.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sluice::api {

// --- a manifest file ---
inline constexpr std::size_t kManifestFileBytesMax = 16 * 1024 * 1024;
inline constexpr std::size_t kManifestNodesMax = 1'000'000;  // values of one document
inline constexpr std::size_t kAliasNodesMax = 100'000;  // values that aliases add to a document
inline constexpr std::size_t kAliasBytesMax = 4 * 1024 * 1024;
inline constexpr std::size_t kDepthMax = 128;
inline constexpr std::size_t kErrorsMax =
    100;  // of one document; what follows is not read by anyone

// --- names ---
inline constexpr std::size_t kNamespaceMax = 63;
inline constexpr std::size_t kObjectNameMax = 253;
inline constexpr std::size_t kLabelNameMax = 63;
inline constexpr std::size_t kAnnotationBytesMax = 256 * 1024;

// --- counts ---
inline constexpr std::int64_t kReplicasMax = 10'000;
inline constexpr std::int64_t kConcurrencyMax = 1'000;
inline constexpr std::int64_t kJobsPerPodMax = 1'000'000;
inline constexpr std::int64_t kBacklogPerWorkerMax = 1'000'000;
inline constexpr std::int64_t kAttemptsMax = 1'000;
inline constexpr std::int64_t kBackoffMultiplierMax = 100;
inline constexpr std::int64_t kDeadJobsMax = 10'000'000;
inline constexpr std::int64_t kRateLimitMax = 1'000'000;
inline constexpr std::int64_t kRunningJobsMax = 1'000'000;
inline constexpr std::int64_t kBreakerJobsMax = 100'000;
inline constexpr std::int64_t kFairnessWeightMax = 1'000;
inline constexpr std::int64_t kBacklogMax = 1'000'000'000;
inline constexpr std::int64_t kBacklogBytesMax = std::int64_t{1} << 50;
inline constexpr std::int64_t kPriorityMax = 9;
inline constexpr std::int64_t kCatchUpMax = 1'000;
inline constexpr std::int64_t kHistoryMax = 100;
inline constexpr std::int64_t kPayloadBytesMax = 1024 * 1024;

// --- seconds ---
inline constexpr std::int64_t kHourSeconds = 3'600;
inline constexpr std::int64_t kDaySeconds = 24 * kHourSeconds;
inline constexpr std::int64_t kWeekSeconds = 7 * kDaySeconds;
inline constexpr std::int64_t kYearSeconds = 365 * kDaySeconds;
inline constexpr int kTimeoutSecondsMax = 7 * 24 * 3'600;  // of a run, however it is asked for

// --- lists and maps ---
inline constexpr std::size_t kCommandItemsMax = 64;
inline constexpr std::size_t kRetryRulesMax = 32;
inline constexpr std::size_t kRetryRuleItemsMax = 64;
inline constexpr std::size_t kFairnessTenantsMax = 256;
inline constexpr std::size_t kLabelsMax = 32;
inline constexpr std::size_t kDependsOnMax = 100;
inline constexpr std::size_t kContainersMax = 100;
inline constexpr std::size_t kContainerArgumentsMax = 1'000;

// --- strings, in Unicode characters, as the API server counts ---
inline constexpr std::size_t kCommandItemCharactersMax = 4'096;
inline constexpr std::size_t kHttpPathCharactersMax = 1'024;
inline constexpr std::size_t kReasonCharactersMax = 64;
inline constexpr std::size_t kTenantCharactersMax = 128;
inline constexpr std::size_t kKeyCharactersMax = 256;
inline constexpr std::size_t kLabelKeyCharactersMax = 128;
inline constexpr std::size_t kLabelValueCharactersMax = 256;
inline constexpr std::size_t kIdempotencyKeyCharactersMax = 256;
inline constexpr std::size_t kUrlCharactersMax = 2'048;
inline constexpr std::size_t kCronCharactersMax = 256;
inline constexpr std::size_t kTimeZoneCharactersMax = 64;
inline constexpr std::size_t kTimeCharactersMax = 64;
inline constexpr std::size_t kContainerArgumentCharactersMax = 256 * 1024;

}  // namespace sluice::api
