#include "operator/kube/leader_lock.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/base/log.h"
#include "common/http/client.h"
#include "operator/controller/json_read.h"
#include "operator/kube/api_error.h"

namespace sluice::kube {
namespace {

using nlohmann::json;
using op::text_at;

// A call that hangs leaves time for another before the lead is lost.
constexpr Duration kCallTimeout = std::chrono::seconds{4};

std::string leases_path(const std::string& namespace_name) {
  return "/apis/coordination.k8s.io/v1/namespaces/" + http::percent_encode(namespace_name) +
         "/leases";
}

LeaderRecord record_of(const json& lease) {
  const json& spec = op::member(lease, "spec");
  LeaderRecord record;
  record.holder = text_at(spec, "holderIdentity");
  record.duration = std::chrono::seconds{op::integer_at(spec, "leaseDurationSeconds")};
  record.acquire_time = text_at(spec, "acquireTime");
  record.renew_time = text_at(spec, "renewTime");
  record.transitions = op::integer_at(spec, "leaseTransitions");
  return record;
}

json spec_of(const LeaderRecord& record) {
  return {{"holderIdentity", record.holder},
          {"leaseDurationSeconds", record.duration.count()},
          {"acquireTime", record.acquire_time},
          {"renewTime", record.renew_time},
          {"leaseTransitions", record.transitions}};
}

}  // namespace

LeaderLock::LeaderLock(ApiClient& client, const Clock& clock, LeaderLockOptions options,
                       std::function<void()> on_lost)
    : client_(client),
      clock_(clock),
      options_(std::move(options)),
      on_lost_(std::move(on_lost)),
      election_(options_.identity, options_.times),
      jitter_(options_.times.retry * 2, options_.times.retry * 2, options_.jitter_seed) {}

LeaderLock::~LeaderLock() {
  release();
}

bool LeaderLock::acquire() {
  while (!acquiring_.is_ended()) {
    note_trouble(try_once(kCallTimeout));
    if (election_.is_leader(clock_.now().steady)) {
      log_info("leading", {{"lease", options_.name}, {"identity", options_.identity}});
      renewing_ = std::thread([this] { renew(); });
      return true;
    }
    acquiring_.wait(jitter_.next());
  }
  return false;
}

void LeaderLock::renew() {
  while (true) {
    const Duration left = election_.leads_until() - clock_.now().steady;
    if (left <= Duration::zero() || !election_.is_holder()) break;
    if (!leading_.wait(std::min<Duration>(options_.times.retry, left))) return;
    const Duration timeout = election_.leads_until() - clock_.now().steady;
    if (timeout > Duration::zero()) note_trouble(try_once(std::min(timeout, kCallTimeout)));
  }
  log_error("lost the lead", {{"lease", options_.name}, {"identity", options_.identity}});
  on_lost_();
}

void LeaderLock::release() {
  acquiring_.end();
  leading_.end();
  if (!renewing_.joinable()) return;
  renewing_.join();
  const Now now = clock_.now();
  if (!election_.is_leader(now.steady)) return;
  const Status written = write(election_.released(now.wall), kCallTimeout);
  if (!written) log_warn("lease not released", {{"error", written.error().message}});
}

Status LeaderLock::try_once(Duration timeout) {
  // A leader's own record is the newest there is, until a write says otherwise.
  if (!election_.is_leader(clock_.now().steady) || lease_json_.empty()) {
    const auto record = read(timeout);
    if (!record) return record.error();
    election_.observed(*record, clock_.now().steady);
  }
  const Now now = clock_.now();
  const auto step = election_.next(now.steady);
  if (step == LeaderElection::Step::kWait) {
    const std::string& holder = election_.record()->holder;
    if (std::exchange(seen_holder_, holder) != holder) {
      log_info("standing by", {{"lease", options_.name}, {"leader", holder}});
    }
    return Ok{};
  }
  const LeaderRecord record = election_.wanted(now.wall);
  const Status written = write(record, timeout);
  if (written) {
    election_.written(record, now.steady);
    return Ok{};
  }
  // Somebody else wrote, or a write of ours whose answer was lost: the next round reads it.
  lease_json_.clear();
  if (written.error().code == ErrorCode::kConflict) return Ok{};
  return written;
}

Result<std::optional<LeaderRecord>> LeaderLock::read(Duration timeout) {
  lease_json_.clear();
  auto answer = client_.send(
      {.path = leases_path(options_.namespace_name) + "/" + http::percent_encode(options_.name),
       .timeout = timeout});
  if (!answer) return answer.error();
  if (answer->status == 404) return std::optional<LeaderRecord>();
  if (answer->status != 200) return error_of_answer(*answer);
  const json lease = op::parse_json(answer->body);
  if (!lease.is_object()) return Error{ErrorCode::kCorruption, "the lease is no JSON object"};
  lease_json_ = std::move(answer->body);
  return std::optional<LeaderRecord>(record_of(lease));
}

Status LeaderLock::write(const LeaderRecord& record, Duration timeout) {
  ApiRequest request{.path = leases_path(options_.namespace_name), .timeout = timeout};
  json lease;
  if (lease_json_.empty()) {
    request.method = "POST";
    lease = {{"apiVersion", "coordination.k8s.io/v1"},
             {"kind", "Lease"},
             {"metadata", {{"name", options_.name}, {"namespace", options_.namespace_name}}}};
  } else {
    // With the version it was read at: whoever wrote meanwhile makes this a conflict.
    request.method = "PUT";
    request.path += "/" + http::percent_encode(options_.name);
    lease = op::parse_json(lease_json_);
    lease["metadata"].erase("managedFields");
  }
  lease["spec"] = spec_of(record);
  request.body = op::dump_json(lease);
  auto answer = client_.send(request);
  if (!answer) return answer.error();
  if (answer->status != 200 && answer->status != 201) return error_of_answer(*answer);
  lease_json_ = std::move(answer->body);
  return Ok{};
}

void LeaderLock::note_trouble(const Status& status) {
  if (!status && !is_in_trouble_) {
    log_warn("cannot reach the leader's lease", {{"lease", options_.name},
                                                 {"namespace", options_.namespace_name},
                                                 {"error", status.error().message}});
  }
  is_in_trouble_ = !status;
}

}  // namespace sluice::kube
