// Lists of jobs: merged from the store's three places and the engine's memory.
#include <algorithm>

#include "broker/server/handlers.h"
#include "broker/server/job_filter.h"
#include "broker/server/limits.h"

namespace sluice::broker {
namespace {

using api::JobState;

struct ListCall {
  std::vector<JobState> states;  // empty: any
  bool with_payload = false;
  JobFilter filter;  // its labels
  std::optional<JobId> after;
  std::size_t limit = 0;
  std::string source_uid;
  bool by_source = false;

  bool wants(JobState state) const {
    return states.empty() || std::find(states.begin(), states.end(), state) != states.end();
  }
  // Which the engine lists by itself, though without payloads.
  bool is_of_engine() const { return !with_payload && states == std::vector{JobState::kRunning}; }
};

// "Ready" or "Ready,Scheduled".
Result<std::vector<JobState>> parse_states(std::string_view text) {
  std::vector<JobState> states;
  for (bool more = true; more;) {
    const std::size_t comma = text.find(',');
    const auto state = api::parse_job_state(text.substr(0, comma));
    if (!state) {
      return Error{ErrorCode::kInvalidArgument, "state: is not a state of a job", "state"};
    }
    if (std::find(states.begin(), states.end(), *state) == states.end()) states.push_back(*state);
    more = comma != std::string_view::npos;
    text.remove_prefix(more ? comma + 1 : text.size());
  }
  return states;
}

Result<ListCall> parse_list(const Request& request) {
  constexpr std::string_view kParameters[] = {"state",     "limit",  "cursor", "source",
                                              "sourceUid", "labels", "payload"};
  const auto query = Query::parse(request.target, kParameters);
  if (!query) return query.error();
  const auto limit = query->integer("limit", 1, limits::kListMax, limits::kListDefault);
  if (!limit) return limit.error();
  ListCall call;
  call.limit = static_cast<std::size_t>(*limit);
  if (const auto state = query->text("state")) {
    auto parsed = parse_states(*state);
    if (!parsed) return std::move(parsed).error();
    call.states = *std::move(parsed);
  }
  const auto with_payload = query->flag("payload");
  if (!with_payload) return with_payload.error();
  call.with_payload = *with_payload;
  if (const auto cursor = query->text("cursor")) {
    call.after = parse_uuid(*cursor);
    if (!call.after) {
      return Error{ErrorCode::kInvalidArgument, "cursor: is not one of this list", "cursor"};
    }
  }
  if (const auto labels = query->text("labels")) {
    auto parsed = parse_label_query(*labels);
    if (!parsed) return std::move(parsed).error();
    call.filter.labels = *std::move(parsed);
  }
  const auto source = query->text("source");
  const auto source_uid = query->text("sourceUid");
  call.by_source = source || source_uid;
  if (call.by_source && (source != "Job" || !source_uid)) {
    return Error{ErrorCode::kInvalidArgument, "source: must be Job, beside a sourceUid", "source"};
  }
  if (call.by_source && call.with_payload) {
    return Error{ErrorCode::kInvalidArgument, "payload: cannot stand beside source", "payload"};
  }
  call.source_uid = source_uid.value_or("");
  return call;
}

// One page of a queue, from wherever its jobs are.
struct Page {
  std::vector<StoredJob> jobs;
  std::optional<JobId> resume_after;
};

std::vector<ListScope> scopes_of(const ListCall& call) {
  std::vector<ListScope> scopes;
  const bool live = call.wants(JobState::kBlocked) || call.wants(JobState::kScheduled) ||
                    call.wants(JobState::kReady) || call.wants(JobState::kRunning);
  const bool dead = call.wants(JobState::kDead);
  if (live) scopes.push_back(ListScope::kLive);
  if (dead) scopes.push_back(ListScope::kDead);
  if (dead || call.wants(JobState::kSucceeded) || call.wants(JobState::kCancelled)) {
    scopes.push_back(ListScope::kFinished);
  }
  return scopes;
}

// Each scope is read from the same place; the page ends where the shortest read did, so that no job
// is passed over.
Result<Page> read_page(Store& store, QueueNumber number, const ListCall& call, TimePoint now) {
  const auto wanted = [&call](const StoredJob& job) {
    // Which of its states a living job is in only the engine knows.
    const bool in_state = !api::has_ended(job.state) || call.wants(job.state);
    return in_state && call.filter.matches(job.job.created_at, *job.extras);
  };
  Page page;
  for (const ListScope scope : scopes_of(call)) {
    auto part =
        store.list(number, scope, call.after, call.limit, limits::kListRowBudget, now, wanted);
    if (!part) return std::move(part).error();
    const auto& stop = part->resume_after;
    if (stop && (!page.resume_after || *stop < *page.resume_after)) page.resume_after = stop;
    std::move(part->jobs.begin(), part->jobs.end(), std::back_inserter(page.jobs));
  }
  const auto by_id = [](const StoredJob& a, const StoredJob& b) { return a.job.id < b.job.id; };
  std::stable_sort(page.jobs.begin(), page.jobs.end(), by_id);
  // A job that moved while we read is in two places: the later one is what became of it.
  const auto keep_last =
      std::unique(page.jobs.rbegin(), page.jobs.rend(),
                  [](const StoredJob& a, const StoredJob& b) { return a.job.id == b.job.id; });
  page.jobs.erase(page.jobs.begin(), keep_last.base());
  if (page.resume_after) {
    while (!page.jobs.empty() && *page.resume_after < page.jobs.back().job.id) page.jobs.pop_back();
  }
  if (page.jobs.size() > call.limit) {
    page.jobs.resize(call.limit);
    page.resume_after = page.jobs.back().job.id;
  }
  return page;
}

void write_page(std::string& out, const QueueName& queue, const std::vector<JobShow>& jobs,
                std::optional<JobId> cursor) {
  JsonWriter json(out);
  json.begin_object().key("jobs").begin_array();
  for (const JobShow& job : jobs) write_job(json, queue, job);
  json.end_array();
  if (cursor) json.member("cursor", to_string(*cursor));
  json.end_object();
}

// What the engine knows now about the jobs of a page; those that have ended it does not know.
Task<std::vector<std::optional<JobView>>> present(Call& call, const Page& page) {
  const QueueName& queue = call.match.queue;
  auto run = [&queue, &page](Engine& engine, Now now, RecordSink&) {
    std::vector<std::optional<JobView>> views;
    views.reserve(page.jobs.size());
    for (const StoredJob& job : page.jobs) {
      const bool ended = job.state == JobState::kSucceeded || job.state == JobState::kCancelled;
      views.push_back(ended ? std::nullopt : engine.find(queue, job.job.id, now));
    }
    return views;
  };
  co_return co_await ask(call.services.loop, run);
}

Task<Response> list_running(Call& call, const ListCall& list) {
  const QueueName& queue = call.match.queue;
  auto run = [&queue, &list](Engine& engine, Now now, RecordSink&) -> Result<std::vector<JobView>> {
    if (auto number = engine.queue_number(queue); !number) return std::move(number).error();
    return engine.list_running(queue, list.after, list.limit, now);
  };
  const auto views = co_await ask(call.services.loop, run);
  if (!views) co_return refuse(call, views.error());
  std::vector<JobShow> jobs;
  for (const JobView& view : *views) {
    if (list.filter.matches(view.record.created_at, view.extras)) jobs.push_back(show(view));
  }
  std::optional<JobId> cursor;
  if (views->size() == list.limit) cursor = views->back().record.id;
  Response response;
  write_page(response.body, queue, jobs, cursor);
  co_return response;
}

Task<Response> list_by_source(Call& call, const ListCall& list) {
  const QueueName& queue = call.match.queue;
  auto run = [&queue, &list](Engine& engine, Now, RecordSink&) -> Result<std::vector<JobId>> {
    if (auto number = engine.queue_number(queue); !number) return std::move(number).error();
    return engine.jobs_of_source(queue, list.source_uid);
  };
  auto ids = co_await ask(call.services.loop, run);
  if (!ids) co_return refuse(call, ids.error());
  std::vector<FoundJob> found;
  for (const JobId& id : *ids) {
    auto one = co_await find_job(call, id);
    if (!one) co_return refuse(call, one.error());
    found.push_back(*std::move(one));
  }
  std::vector<JobShow> jobs;
  for (const FoundJob& one : found) {
    const auto job = one.shown();
    if (job && list.wants(job->state) &&
        list.filter.matches(job->record->created_at, *job->extras)) {
      jobs.push_back(*job);
    }
  }
  Response response;
  write_page(response.body, queue, jobs, {});
  co_return response;
}

// Ends the page before its payloads are more than fit; one job it always keeps.
void cut_to_payloads(std::vector<JobShow>& jobs, std::optional<JobId>& cursor) {
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    bytes += jobs[i].record->payload_bytes;
    if (i == 0 || bytes <= limits::kListPayloadBytesMax) continue;
    jobs.erase(jobs.begin() + static_cast<std::ptrdiff_t>(i), jobs.end());
    cursor = jobs.back().record->id;
    return;
  }
}

using Bodies = std::vector<std::optional<Body>>;

// Of the jobs that have not ended; the views in `jobs` last as long as what this returns.
Task<Result<Bodies>> add_payloads(Call& call, QueueNumber number, std::vector<JobShow>& jobs) {
  Services& services = call.services;
  std::vector<JobId> ids;
  for (const JobShow& job : jobs) ids.push_back(job.record->id);
  auto bodies = co_await on_reader(
      services.readers, [&services, &ids, number] { return services.store.bodies(number, ids); });
  if (!bodies) co_return std::move(bodies).error();
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    if ((*bodies)[i]) jobs[i].payload = (*bodies)[i]->payload;
  }
  co_return bodies;
}

}  // namespace

Task<Response> list_jobs(Call& call) {
  const auto list = parse_list(call.request);
  if (!list) co_return refuse(call, list.error());
  if (list->by_source) co_return co_await list_by_source(call, *list);
  if (list->is_of_engine()) co_return co_await list_running(call, *list);

  const QueueName& queue = call.match.queue;
  const auto number = co_await ask(call.services.loop, [&queue](Engine& engine, Now, RecordSink&) {
    return engine.queue_number(queue);
  });
  if (!number) co_return refuse(call, number.error());
  Services& services = call.services;
  const auto page = co_await on_reader(services.readers, [&services, &number, &list] {
    return read_page(services.store, *number, *list, services.clock.now().wall);
  });
  if (!page) co_return refuse(call, page.error());

  const auto views = co_await present(call, *page);
  std::vector<JobShow> jobs;
  for (std::size_t i = 0; i < page->jobs.size(); ++i) {
    const JobShow job = views[i] ? show(*views[i]) : show(page->jobs[i]);
    // A record of a living job that the engine does not know any more: it ended meanwhile.
    if (!views[i] && !api::has_ended(job.state)) continue;
    if (list->wants(job.state)) jobs.push_back(job);
  }
  std::optional<JobId> cursor = page->resume_after;
  Result<Bodies> bodies = Bodies{};
  if (list->with_payload) {
    cut_to_payloads(jobs, cursor);
    bodies = co_await add_payloads(call, *number, jobs);
    if (!bodies) co_return refuse(call, bodies.error());
  }
  Response response;
  write_page(response.body, queue, jobs, cursor);
  co_return response;
}

}  // namespace sluice::broker
