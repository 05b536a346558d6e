// Parents of jobs: looked up when a child is enqueued, their results read when it is claimed.
#include <unordered_map>
#include <unordered_set>

#include "broker/server/enqueueing.h"
#include "broker/server/json_writer.h"
#include "broker/server/limits.h"

namespace sluice::broker {
namespace {

std::vector<JobId> distinct_parents(const Enqueueing& work) {
  std::unordered_set<JobId> ids;
  for (const std::size_t i : work.todo) {
    ids.insert(work.jobs[i].depends_on.begin(), work.jobs[i].depends_on.end());
  }
  return {ids.begin(), ids.end()};
}

std::shared_ptr<const EndedParent> to_parent(const QueueName& queue, StoredJob stored) {
  auto parent = std::make_shared<EndedParent>();
  parent->queue = queue;
  parent->extras = std::move(stored.extras);
  parent->result_json = std::move(stored.result_json);
  FinishedRecord& record = parent->record;
  record.queue = stored.job.queue;
  record.id = stored.job.id;
  record.state = stored.state;
  record.priority = stored.job.priority;
  record.attempts = stored.job.attempts;
  record.lease_losses = stored.job.lease_losses;
  record.releases = stored.job.releases;
  record.created_at = stored.job.created_at;
  record.due_at = stored.job.due_at;
  record.finished_at = stored.finished_at.value_or(stored.job.due_at);
  record.expires_at = record.finished_at;  // a copy for children does not expire
  record.cancel_requested = stored.job.cancel_requested;
  record.result_json = parent->result_json;
  record.extras = parent->extras.get();
  return parent;
}

// The ended job of this id in any of the queues; null when there is none.
Result<std::shared_ptr<const EndedParent>> find_ended(
    Store& store, const std::vector<QueueDirectory::Named>& queues, JobId id, TimePoint now) {
  for (const QueueDirectory::Named& queue : queues) {
    auto found = store.find(queue.number, id, now);
    if (!found) return std::move(found).error();
    // A living one the engine would have known: it has ended since, or moves between queues' lives.
    if (*found && api::has_ended((*found)->state)) return to_parent(queue.name, *std::move(*found));
  }
  return std::shared_ptr<const EndedParent>{};
}

Result<EndedParents> find_all(Store& store, const std::vector<QueueDirectory::Named>& queues,
                              const std::vector<JobId>& ids, TimePoint now) {
  EndedParents parents;
  std::size_t bytes = 0;
  for (const JobId& id : ids) {
    auto parent = find_ended(store, queues, id, now);
    if (!parent) return std::move(parent).error();
    if (*parent) bytes += (*parent)->result_json.size();
    if (bytes > limits::kParentResultBytesMax) {
      return Error{ErrorCode::kTooLarge,
                   "dependsOn: the results of the parents have more than " +
                       std::to_string(limits::kParentResultBytesMax) + " bytes",
                   "dependsOn"};
    }
    parents.emplace(id, *std::move(parent));
  }
  return parents;
}

// Results by id, "" where there is none.
using ResultMap = std::unordered_map<JobId, std::string>;

Status read_results(Store& store, const Granted& job, TimePoint now, ResultMap& results) {
  for (const GrantedParent& parent : job.parents) {
    if (!parent.queue || results.contains(parent.id)) continue;
    auto found = store.find(*parent.queue, parent.id, now);
    if (!found) return std::move(found).error();
    if (*found) results.emplace(parent.id, std::move((*found)->result_json));
  }
  return Ok{};
}

std::string to_text(const Granted& job, const ResultMap& results) {
  std::string text;
  if (job.parents.empty()) return text;
  JsonWriter json(text);
  json.begin_object();
  for (const GrantedParent& parent : job.parents) {
    const auto result = results.find(parent.id);
    const bool known = result != results.end() && !result->second.empty();
    json.key(to_string(parent.id)).raw(known ? std::string_view{result->second} : "null");
  }
  json.end_object();
  return text;
}

// Stops before the first job that would be too much, but never before one: none goes without its
// parents' results.
Result<ParentResults> read_as_many_as_fit(Store& store, const ClaimGrant& grant, TimePoint now) {
  ResultMap results;
  ParentResults texts;
  std::size_t bytes = 0;
  for (const Granted& job : grant.jobs) {
    if (Status read = read_results(store, job, now, results); !read) return std::move(read).error();
    std::string text = to_text(job, results);
    bytes += text.size();
    if (bytes > limits::kParentResultBytesMax && !texts.empty()) break;
    texts.push_back(std::move(text));
  }
  return texts;
}

}  // namespace

bool has_parents(const Enqueueing& work) {
  return std::any_of(work.jobs.begin(), work.jobs.end(),
                     [](const NewJob& job) { return !job.depends_on.empty(); });
}

Task<Status> look_up_parents(Call& call, Enqueueing& work) {
  std::vector<JobId> ids = distinct_parents(work);
  if (ids.empty()) co_return Ok{};
  const QueueName& queue = call.match.queue;
  Services& services = call.services;
  ids = co_await ask(services.loop, [&queue, &ids](Engine& engine, Now, RecordSink&) {
    return engine.unknown_parents(queue, ids);
  });
  EndedParents parents;
  if (!ids.empty()) {
    const auto queues = services.directory.of_namespace(queue);
    auto found = co_await on_reader(services.readers, [&services, &queues, &ids] {
      return find_all(services.store, queues, ids, services.clock.now().wall);
    });
    if (!found) co_return std::move(found).error();
    parents = *std::move(found);
  }
  work.parents = std::make_shared<const EndedParents>(std::move(parents));
  co_return Ok{};
}

Task<Result<ParentResults>> read_parent_results(Call& call, const ClaimGrant& grant) {
  const bool any = std::any_of(grant.jobs.begin(), grant.jobs.end(),
                               [](const Granted& job) { return !job.parents.empty(); });
  if (!any) co_return ParentResults(grant.jobs.size());
  Services& services = call.services;
  co_return co_await on_reader(services.readers, [&services, &grant] {
    return read_as_many_as_fit(services.store, grant, services.clock.now().wall);
  });
}

}  // namespace sluice::broker
