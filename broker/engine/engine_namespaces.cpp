// Limits on what a namespace may hold.
#include "broker/engine/engine_state.h"

namespace sluice::broker {
namespace {

Error full(const std::string& namespace_name, const char* what, std::int64_t limit) {
  return {ErrorCode::kNamespaceFull, "namespace " + namespace_name + " may hold " +
                                         std::to_string(limit) + " " + what +
                                         ", and has no room for this"};
}

}  // namespace

void Engine::limit_namespaces(NamespaceLimitTable limits) {
  state_->namespace_limits = std::move(limits);
}

const NamespaceLimits& Engine::State::limits_of(const std::string& namespace_name) const {
  static const NamespaceLimits kNone;
  auto found = namespace_limits.find(namespace_name);
  if (found == namespace_limits.end()) found = namespace_limits.find("");
  return found == namespace_limits.end() ? kNone : found->second;
}

Status Engine::State::check_room(const QueueState& queue, const NewJob& job) const {
  if (namespace_limits.empty()) return Ok{};
  const std::string& name = queue.record.name.namespace_name;
  const NamespaceLimits& limit = limits_of(name);
  if (limit.jobs && queue.usage->jobs >= *limit.jobs) return full(name, "jobs", *limit.jobs);
  const auto bytes = queue.usage->bytes + static_cast<std::int64_t>(job.payload.size());
  if (limit.bytes && bytes > *limit.bytes) return full(name, "bytes of payloads", *limit.bytes);
  return Ok{};
}

// Of a queue that is not there yet.
Status Engine::State::check_queue_room(const QueueName& name) const {
  const auto& limit = limits_of(name.namespace_name).queues;
  if (!limit) return Ok{};
  std::int64_t held = 0;
  for (auto at = queue_by_name.lower_bound({name.namespace_name, ""});
       at != queue_by_name.end() && at->first.namespace_name == name.namespace_name; ++at) {
    held += at->second->is_shell() || is_callback_queue(at->first) ? 0 : 1;
  }
  if (held >= *limit) return full(name.namespace_name, "queues", *limit);
  return Ok{};
}

// Every job comes and goes through these two.
Slot Engine::State::add_job(QueueState& queue, JobId id, std::uint32_t payload_bytes) {
  const Slot slot = jobs.insert(id);
  jobs[slot].queue = queue.index;
  jobs[slot].payload_bytes = payload_bytes;
  ++queue.usage->jobs;
  queue.usage->bytes += payload_bytes;
  return slot;
}

void Engine::State::remove_job(Slot slot) {
  const Job& job = jobs[slot];
  NamespaceUsage& held = *queues[job.queue]->usage;
  --held.jobs;
  held.bytes -= job.payload_bytes;
  jobs.erase(slot);
}

}  // namespace sluice::broker
