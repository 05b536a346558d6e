// `sluice get`: queues and jobs as the broker has them.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <ostream>

#include "cli/commands.h"
#include "cli/queue_view.h"
#include "cli/table.h"
#include "common/api/job_protocol.h"

namespace sluice::cli {
namespace {

using Align = Column::Align;

constexpr std::chrono::seconds kLongPollMax{60};  // the broker's bound
constexpr Duration kPollPause = std::chrono::seconds{1};

// The queues of the listing that the command is about.
Json listed_queues(const Json& listing, std::string_view namespace_name) {
  Json chosen = Json::array();
  for (const Json& queue : child_of(listing, "queues")) {
    if (!namespace_name.empty() && text_of(queue, "namespace") != namespace_name) continue;
    chosen.push_back(queue);
  }
  return chosen;
}

// What is worth knowing of a job in its state, on one line.
std::string detail_of(const Json& job, TimePoint now) {
  const std::string state = text_of(job, "state");
  if (state == "Running") {
    std::string text = text_of(job, "worker");
    const Json& progress = child_of(job, "progress");
    if (progress.contains("ratio")) {
      text += ' ' + std::to_string(std::lround(number_of(progress, "ratio") * 100)) + "%";
    }
    const std::string message = text_of(progress, "message");
    if (!message.empty()) text += ' ' + message;
    if (flag_of(job, "cancelRequested")) text += " (asked to stop)";
    return text;
  }
  const Json& error = child_of(job, "error");
  std::string text = text_of(error, "reason");
  const std::string message = text_of(error, "message");
  if (!message.empty()) text += (text.empty() ? "" : ": ") + message;
  if (state == "Scheduled") {
    const auto due = parse_rfc3339(text_of(job, "dueAt"));
    if (due) text = "due in " + format_age(*due - now) + (text.empty() ? "" : "; ") + text;
  }
  return text;
}

// "2026-11-22T16:00:00Z (5m ago)".
std::string moment(const std::string& rfc3339, TimePoint now) {
  const auto t = parse_rfc3339(rfc3339);
  if (!t) return rfc3339;
  return rfc3339 +
         (*t <= now ? " (" + format_age(now - *t) + " ago)" : " (in " + format_age(*t - now) + ")");
}

// "Title:        value" lines; empty values are left out.
class Sheet {
 public:
  explicit Sheet(std::ostream& out) : out_(out) {}

  void add(std::string_view title, const std::string& value) {
    if (value.empty()) return;
    std::string line(title);
    line.append(":").resize(std::max<std::size_t>(16, title.size() + 2), ' ');
    out_ << line << value << '\n';
  }
  void add_document(std::string_view title, const Json& value) {
    if (value.is_structured()) {
      std::string text = print(value, DocumentFormat::kYaml);
      text.pop_back();
      for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 3) {
        text.replace(at, 1, "\n  ");
      }
      out_ << title << ":\n  " << text << '\n';
    } else {
      add(title, value.is_string() ? value.get<std::string>() : value.dump());
    }
  }

 private:
  std::ostream& out_;
};

void print_job(const Context& context, const Json& job) {
  const TimePoint now = context.clock.now().wall;
  std::ostream& out = context.console.out;
  Sheet sheet(out);
  sheet.add("ID", text_of(job, "id"));
  sheet.add("Queue", text_of(job, "namespace") + "/" + text_of(job, "queue"));
  const std::string state = text_of(job, "state");
  const bool stopping = state == "Running" && flag_of(job, "cancelRequested");
  sheet.add("State", state + (stopping ? " (asked to stop)" : ""));
  sheet.add("Attempts", text_of(job, "attempts"));
  if (count_of(job, "leaseLosses") > 0) sheet.add("Lease losses", text_of(job, "leaseLosses"));
  if (count_of(job, "releases") > 0) sheet.add("Releases", text_of(job, "releases"));
  sheet.add("Priority", text_of(job, "priority"));
  sheet.add("Tenant", text_of(job, "tenant"));
  sheet.add("Key", text_of(job, "key"));
  sheet.add("Created", moment(text_of(job, "createdAt"), now));
  if (state == "Scheduled") sheet.add("Due", moment(text_of(job, "dueAt"), now));
  sheet.add("Started", moment(text_of(job, "startedAt"), now));
  sheet.add("Finished", moment(text_of(job, "finishedAt"), now));
  sheet.add("Worker", text_of(job, "worker"));
  for (const std::string member : {"labels", "progress", "error", "payload", "result"}) {
    if (!job.contains(member) || job[member].is_null()) continue;
    const char first = static_cast<char>(std::toupper(static_cast<unsigned char>(member.front())));
    sheet.add_document(first + member.substr(1), job[member]);
  }
  const Json& history = child_of(job, "history");
  if (history.is_array() && !history.empty()) sheet.add_document("History", history);
}

void print_queue(const Context& context, const Json& queue, const std::string& name) {
  const TimePoint now = context.clock.now().wall;
  const Json& figures = child_of(queue, "figures");
  std::ostream& out = context.console.out;
  Sheet sheet(out);
  sheet.add("Queue", context.server.namespace_name() + "/" + name);
  for (const std::string member : {"backlog", "ready", "scheduled", "blocked", "running", "dead"}) {
    const char first = static_cast<char>(std::toupper(static_cast<unsigned char>(member.front())));
    sheet.add(first + member.substr(1), format_count(count_of(figures, member)));
  }
  sheet.add("Oldest", moment(text_of(figures, "oldestReadyTime"), now));
  sheet.add("Enqueued", format_rate(number_of(figures, "enqueuedPerSecond")));
  sheet.add("Started", format_rate(number_of(figures, "startedPerSecond")));
  sheet.add("Succeeded", format_rate(number_of(figures, "succeededPerSecond")));
  sheet.add("Failed", format_rate(number_of(figures, "failedPerSecond")));
  sheet.add("Paused", paused_text(figures));
  sheet.add("Pressure", pressure_text(figures));
  sheet.add("Circuit", circuit_text(figures));
  if (figures.contains("throttledPerSecond")) {
    sheet.add("Throttled to", format_rate(number_of(figures, "throttledPerSecond")));
  }

  Table workers({{"WORKER"}, {"RUNNING", Align::kRight}, {"DRAINING"}, {"SEEN", Align::kRight}});
  for (const Json& worker : child_of(queue, "workers")) {
    const bool draining = flag_of(worker, "draining") || flag_of(worker, "drainRequested");
    workers.add_row({text_of(worker, "name"), text_of(worker, "running"), draining ? "yes" : "",
                     format_age_of(text_of(worker, "seenAt"), now)});
  }
  if (workers.is_empty()) return;
  out << '\n';
  print_table(context, workers);
}

// The queue that holds the job; its name in `queue`. Queues are asked one after the other.
Answer find_job(const Context& context, const GetJobCommand& command) {
  if (!command.queue.empty()) {
    return context.server.job(command.queue, command.id, command.payload);
  }
  const Answer listing = context.server.queues(false);
  if (!listing.ok()) return listing;
  const auto body = body_of(context, listing);
  if (!body) return {.status = 502, .error = {ErrorCode::kInternal, "unexpected answer"}};
  for (const Json& queue : listed_queues(*body, context.server.namespace_name())) {
    Answer answer = context.server.job(queue_name_of(queue), command.id, command.payload);
    if (answer.ok() || answer.is_unreachable()) return answer;
  }
  return {
      .status = 404,
      .error = {ErrorCode::kNotFound, "no queue of namespace " + context.server.namespace_name() +
                                          " has it (finished jobs go after resultTTLSeconds)"}};
}

bool is_over(const Json& job) {
  const auto state = api::parse_job_state(text_of(job, "state"));
  return state && api::has_ended(*state);
}

// The job when it has ended, or as it stands when the time is up.
Answer wait_for_end(const Context& context, const GetJobCommand& command, Answer found) {
  const SteadyPoint end = context.clock.now().steady + std::chrono::seconds{command.wait_seconds};
  for (;;) {
    const auto job = parse_json(found.body);
    if (!found.ok() || !job || is_over(*job)) return found;
    const SteadyPoint began = context.clock.now().steady;
    const auto left = std::chrono::ceil<std::chrono::seconds>(end - began);
    if (left.count() <= 0) return found;
    found = context.server.job(text_of(*job, "queue"), command.id, command.payload,
                               std::min(left, kLongPollMax));
    // A server that is about to stop answers at once.
    if (context.clock.now().steady - began < kPollPause) context.wait(kPollPause);
  }
}

}  // namespace

ExitCode run(const Context& context, const GetQueuesCommand& command) {
  const Answer answer = context.server.queues(command.all_namespaces);
  if (!answer.ok()) return fail(context, answer, "list queues");
  const auto body = body_of(context, answer);
  if (!body) return ExitCode::kFailed;
  const Json queues = listed_queues(
      *body, command.all_namespaces ? std::string() : context.server.namespace_name());
  if (print_document(context, {{"queues", queues}})) return ExitCode::kOk;
  if (queues.empty()) {
    say(context, command.all_namespaces
                     ? std::string("there are no queues yet")
                     : "there are no queues in namespace " + context.server.namespace_name() +
                           " (all: --all-namespaces)");
    return ExitCode::kOk;
  }
  print_table(context, queues_table(queues, command.all_namespaces, context.clock.now().wall));
  return ExitCode::kOk;
}

ExitCode run(const Context& context, const GetQueueCommand& command) {
  const Answer answer = context.server.queue(command.queue);
  if (!answer.ok()) return fail(context, answer, "read queue " + command.queue);
  const auto body = body_of(context, answer);
  if (!body) return ExitCode::kFailed;
  if (!print_document(context, *body)) print_queue(context, *body, command.queue);
  return ExitCode::kOk;
}

ExitCode run(const Context& context, const GetJobCommand& command) {
  Answer answer = find_job(context, command);
  if (command.wait_seconds > 0) answer = wait_for_end(context, command, std::move(answer));
  if (!answer.ok()) return fail(context, answer, "find job " + command.id);
  const auto body = body_of(context, answer);
  if (!body) return ExitCode::kFailed;
  if (!print_document(context, *body)) print_job(context, *body);
  if (command.wait_seconds == 0 || is_over(*body)) return ExitCode::kOk;
  say(context, "it has not ended within " + std::to_string(command.wait_seconds) + " s");
  return ExitCode::kFailed;
}

ExitCode run(const Context& context, const GetGroupCommand& command) {
  const Answer answer = context.server.group(command.queue, command.id);
  if (!answer.ok()) return fail(context, answer, "get group " + command.id);
  const auto group = body_of(context, answer);
  if (!group) return ExitCode::kFailed;
  if (print_document(context, *group)) return ExitCode::kOk;

  const TimePoint now = context.clock.now().wall;
  Sheet sheet(context.console.out);
  sheet.add("Group", text_of(*group, "id"));
  for (const std::string member : {"total", "pending", "succeeded", "dead", "cancelled"}) {
    const char first = static_cast<char>(std::toupper(static_cast<unsigned char>(member.front())));
    sheet.add(first + member.substr(1), format_count(count_of(*group, member)));
  }
  if (flag_of(*group, "open")) sheet.add("Open", "more jobs come");
  sheet.add("Created", moment(text_of(*group, "createdAt"), now));
  sheet.add("Finished", moment(text_of(*group, "finishedAt"), now));
  return ExitCode::kOk;
}

ExitCode run(const Context& context, const GetJobsCommand& command) {
  Json jobs = Json::array();
  JobsQuery query{.state = command.state, .labels = command.labels};
  bool more = true;
  while (more && static_cast<int>(jobs.size()) < command.limit) {
    query.limit = std::min(ServerClient::kPageMax, command.limit - static_cast<int>(jobs.size()));
    const Answer answer = context.server.jobs(command.queue, query);
    if (!answer.ok()) return fail(context, answer, "list jobs of queue " + command.queue);
    const auto body = body_of(context, answer);
    if (!body) return ExitCode::kFailed;
    for (const Json& job : child_of(*body, "jobs")) jobs.push_back(job);
    query.cursor = text_of(*body, "cursor");
    more = !query.cursor.empty();
  }
  if (print_document(context, {{"jobs", jobs}})) return ExitCode::kOk;

  const TimePoint now = context.clock.now().wall;
  Table table({{"ID"},
               {"STATE"},
               {"ATTEMPTS", Align::kRight},
               {"AGE", Align::kRight},
               {"DETAIL", Align::kLeft, true}});
  for (const Json& job : jobs) {
    table.add_row({text_of(job, "id"), text_of(job, "state"), text_of(job, "attempts"),
                   format_age_of(text_of(job, "createdAt"), now), detail_of(job, now)});
  }
  if (table.is_empty()) {
    say(context, "queue " + command.queue + " holds no " +
                     (command.state.empty() ? "" : command.state + " ") + "jobs");
    return ExitCode::kOk;
  }
  print_table(context, table);
  if (more) say(context, "there are more; --limit shows them");
  return ExitCode::kOk;
}

}  // namespace sluice::cli
