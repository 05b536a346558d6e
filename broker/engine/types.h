// The words the engine, the store and the server share.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/api/job_protocol.h"
#include "common/api/resources.h"
#include "common/base/clock.h"
#include "common/base/ids.h"

namespace sluice::broker {

using JobId = Uuid;

// A queue's key prefix in the store. Within a boot none is used twice; after a restart the highest
// may come again, if its queue was dropped and with it every key under it.
enum class QueueNumber : std::uint32_t {};

// One claim call. The boot number is in its upper 24 bits, so no two claims of one store are alike.
enum class ClaimNumber : std::uint64_t {};

// Batches are numbered from 1 within a boot; 0 is "nothing to wait for".
using BatchNumber = std::uint64_t;

// A lease token is the claim's number; a claim holds a job at most once.
std::string format_lease(ClaimNumber claim);
std::optional<ClaimNumber> parse_lease(std::string_view text);

// 128 bits of a hash (of an idempotency key, or of what was enqueued under it).
using Hash128 = std::array<std::uint8_t, 16>;

struct QueueName {
  std::string namespace_name;
  std::string name;
  friend auto operator<=>(const QueueName&, const QueueName&) = default;
};

// The queue of each namespace that callbacks are delivered from. The broker makes and works it;
// nobody else configures it, enqueues into it or claims from it.
inline constexpr std::string_view kCallbackQueueName = "sluice-callbacks";

inline bool is_callback_queue(const QueueName& queue) {
  return queue.name == kCallbackQueueName;
}

// The resource behind a job: outcomes of such jobs are kept until acknowledged.
struct JobSource {
  std::string kind;  // "Job"
  std::string uid;
  std::string name;
  friend bool operator==(const JobSource&, const JobSource&) = default;
};

enum class RunEnd : std::uint8_t {
  kSucceeded,
  kFailed,
  kReleased,
  kLeaseLost,
  kTimeout,
  kDisrupted
};

inline constexpr std::size_t kRunEnds = 6;

std::string_view to_string(RunEnd end);

// What became of a queue's jobs since this broker began; each is counted where it happens.
struct QueueTotals {
  std::uint64_t enqueued = 0;
  std::uint64_t started = 0;                       // runs
  std::array<std::uint64_t, kRunEnds> run_ends{};  // by RunEnd
  std::uint64_t succeeded = 0;                     // jobs, as the next two
  std::uint64_t dead = 0;
  std::uint64_t cancelled = 0;
};

// What a heartbeat says of a run.
struct ToldProgress {
  std::optional<double> ratio;  // absent: the last that is known stands
  std::string message;
};

// One run of a job, as its history shows it.
struct Run {
  TimePoint started_at;
  TimePoint finished_at;
  RunEnd end = RunEnd::kFailed;
  std::string worker;
  std::string reason;
  std::string message;  // at most kHistoryMessageBytesMax
  std::optional<int> exit_code;
  std::optional<int> http_status;
};

inline constexpr std::size_t kHistoryRunsMax = 20;
inline constexpr std::size_t kParentsMax = 100;
inline constexpr std::size_t kHistoryMessageBytesMax = 256;
inline constexpr std::size_t kErrorMessageBytesMax = 4096;

// At most `bytes_max` bytes of UTF-8; never ends inside a sequence.
void cut_text(std::string& text, std::size_t bytes_max);

// The last settlement a job accepted, for answering a repeated one.
struct LastSettlement {
  ClaimNumber claim{};
  api::Outcome outcome = api::Outcome::kSucceeded;
  friend bool operator==(const LastSettlement&, const LastSettlement&) = default;
};

// What most jobs do not have; a job without any of it has no JobExtras at all.
struct JobExtras {
  api::Labels labels;
  std::string tenant;
  std::string key;
  std::int64_t key_position = 0;  // with a key, from becoming Ready on: its place in enqueue order
  std::optional<api::RetryPolicy> retry;
  std::optional<int> timeout_seconds;
  std::optional<int> ttl_seconds_after_finished;
  std::optional<TimePoint> expires_at;
  std::optional<JobSource> source;
  std::string schedule_uid;  // with schedule_tick
  std::optional<TimePoint> schedule_tick;
  std::optional<Hash128> idempotency_key;
  std::optional<Hash128> idempotency_content;
  bool external_id = false;  // the id was given by the caller
  std::vector<JobId> depends_on;
  api::ParentFailure on_parent_failure = api::ParentFailure::kDead;
  std::optional<Uuid> group;
  std::string unique_key;                 // held until the job has ended
  std::optional<api::Callback> callback;  // of a delivery: where to
  std::uint8_t parents_left = 0;          // of depends_on, those it waits for; not stored
  std::optional<LastSettlement> last_settlement;
  std::string worker;  // of the last run
  std::optional<TimePoint> started_at;
  std::optional<api::RunError> error;
  std::vector<Run> history;

  // Nothing in here is set but, perhaps, the idempotency key.
  bool is_plain() const {
    return labels.empty() && tenant.empty() && key.empty() && !retry && !timeout_seconds &&
           !ttl_seconds_after_finished && !expires_at && !source && schedule_uid.empty() &&
           !external_id && !last_settlement && depends_on.empty() && !group && unique_key.empty() &&
           !callback && worker.empty() && !started_at && !error && history.empty();
  }
};

}  // namespace sluice::broker
