// What pods are called, and what is said of their end; pool_plan.cpp decides.
#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

#include "operator/plan/pool_plan.h"
#include "operator/plan/stable_hash.h"

namespace sluice::op {
namespace {

constexpr std::size_t kQueuePartMax = 45;  // with hash and ordinal a DNS label of at most 63
constexpr int kHashLength = 10;

template <std::size_t N>
bool is_one_of(const std::array<std::string_view, N>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

}  // namespace

std::string pod_name(const PoolInput& input, int ordinal) {
  const std::string hash = StableHash{}
                               .add(input.queue)
                               .add(input.queue_uid)
                               .add(input.template_hash)
                               .add(input.injected_version)
                               .text(kHashLength);
  return input.queue.substr(0, kQueuePartMax) + "-" + hash + "-" + std::to_string(ordinal);
}

bool is_pod_name(const std::string& queue, const std::string& worker) {
  const std::string prefix = queue.substr(0, kQueuePartMax) + "-";
  return worker.starts_with(prefix) && pod_ordinal(worker) &&
         worker.rfind('-') == prefix.size() + kHashLength;
}

std::optional<int> pod_ordinal(const std::string& name) {
  const std::size_t dash = name.rfind('-');
  if (dash == std::string::npos || dash + 1 == name.size()) return std::nullopt;
  int ordinal = 0;
  const char* end = name.data() + name.size();
  const auto [stop, error] = std::from_chars(name.data() + dash + 1, end, ordinal);
  if (error != std::errc{} || stop != end || ordinal < 0) return std::nullopt;
  return ordinal;
}

std::string template_hash(const api::WorkerSpec& worker) {
  StableHash hash;
  hash.add(std::int64_t{worker.concurrency});
  hash.add(std::int64_t{worker.max_jobs_per_pod});
  if (const auto* exec = std::get_if<api::ExecHandler>(&worker.handler)) {
    hash.add("exec");
    for (const std::string& word : exec->command) hash.add(word);
  } else {
    const auto& http = std::get<api::HttpHandler>(worker.handler);
    hash.add("http").add(std::int64_t{http.port}).add(http.path);
    // Nothing for the default: a newer operator replaces no pod of a queue that says nothing of it.
    if (http.body != api::HttpBody::kPayload) hash.add(to_string(http.body));
  }
  hash.add(std::int64_t{worker.template_json.has_value()});
  hash.add(worker.template_json.value_or(""));
  return hash.text(kHashLength);
}

std::string gone_cause(const PodFacts& pod) {
  // SURVIVAL 10, 23: what the cluster does to a pod is not the job's fault; a crash is.
  static constexpr std::array<std::string_view, 1> kAlwaysCrash = {"OOMKilled"};
  static constexpr std::array<std::string_view, 10> kDisruptions = {
      "Evicted",      "Preempted",    "Preempting",           "NodeLost",
      "NodeShutdown", "Terminated",   "TerminationByKubelet", "Shutdown",
      "Deleted",      "DeletedByHand"};
  if (is_one_of(kAlwaysCrash, pod.end_reason)) return "Crash";
  if (pod.deleting || is_one_of(kDisruptions, pod.end_reason)) return "Disruption";
  if (pod.exit_code) return *pod.exit_code == 0 ? "Disruption" : "Crash";
  if (pod.end_reason == "Completed" || pod.phase == PodPhase::kSucceeded) return "Disruption";
  return pod.end_reason.empty() ? "Unknown" : "Crash";
}

}  // namespace sluice::op
