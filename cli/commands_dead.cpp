// `sluice dead`, `redrive` and `purge`: jobs that gave up.
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <ostream>

#include "cli/commands.h"
#include "cli/queue_view.h"
#include "cli/table.h"

namespace sluice::cli {
namespace {

using Align = Column::Align;

constexpr int kPurgeMax = 10'000;  // of one call
constexpr Duration kProgressInterval = std::chrono::milliseconds{200};

Table dead_table(const Json& jobs, TimePoint now) {
  Table table({{"ID"},
               {"DIED", Align::kRight},
               {"ATTEMPTS", Align::kRight},
               {"REASON"},
               {"MESSAGE", Align::kLeft, true}});
  for (const Json& job : jobs) {
    const Json& error = child_of(job, "error");
    table.add_row({text_of(job, "id"), format_age_of(text_of(job, "finishedAt"), now),
                   text_of(job, "attempts"), text_of(error, "reason"), text_of(error, "message")});
  }
  return table;
}

// "1 dead letter", "2 dead letters".
std::string letters(std::int64_t n) {
  return format_count(n) + (n == 1 ? " dead letter" : " dead letters");
}

bool confirmed(const Context& context, const std::string& queue) {
  context.console.err << "Drop the dead letters of queue " << queue << " for good? [y/N] "
                      << std::flush;
  char reply = 0;
  return ::read(context.console.in_fd, &reply, 1) == 1 && (reply == 'y' || reply == 'Y');
}

Json redrive_body(const RedriveCommand& command) {
  Json body = {{"perSecond", command.per_second}};
  if (!command.ids.empty()) {
    body["ids"] = command.ids;
    return body;
  }
  Json filter = Json::object();
  if (!command.reason.empty()) filter["reason"] = command.reason;
  if (!command.died_before.empty()) filter["diedBefore"] = command.died_before;
  if (!command.died_after.empty()) filter["diedAfter"] = command.died_after;
  body["filter"] = std::move(filter);
  body["max"] = command.max;
  return body;
}

// What a redrive has come to.
ExitCode report_redrive(const Context& context, const Json& task, const RedriveCommand& command) {
  if (print_document(context, task)) return ExitCode::kOk;
  const std::int64_t selected = count_of(task, "selected");
  const std::int64_t redriven = count_of(task, "redriven");
  const std::string state = text_of(task, "state");
  std::ostream& out = context.console.out;
  if (state == "Running") {
    out << "redrive " << text_of(task, "id") << " of queue " << command.queue << ": "
        << letters(selected) << " selected\n";
    return ExitCode::kOk;
  }
  out << "redriven " << letters(redriven) << " of queue " << command.queue << '\n';
  if (state == "Cancelled") {
    say(context, "stopped: " + format_count(selected - redriven) + " were left");
  } else if (redriven < selected) {
    say(context, format_count(selected - redriven) + " were gone when their turn came");
  } else if (command.ids.empty() && command.stop.empty() && selected == command.max) {
    say(context, "that is the most it was to take; run it again for the rest");
  }
  return ExitCode::kOk;
}

// Follows a redrive until it has ended; the last that is known of it.
std::optional<Json> follow_redrive(const Context& context, Json task, const std::string& queue) {
  const bool shows_progress =
      context.console.err_is_terminal && context.options.output == OutputFormat::kTable;
  const std::string id = text_of(task, "id");
  while (text_of(task, "state") == "Running") {
    if (shows_progress) {
      context.console.err << "\rredriven " << format_count(count_of(task, "redriven")) << " of "
                          << format_count(count_of(task, "selected")) << std::flush;
    }
    context.wait(kProgressInterval);
    const Answer answer = context.server.redrive_status(queue, id);
    if (!answer.ok()) {
      fail(context, answer, "follow redrive " + id + ", which goes on,");
      return std::nullopt;
    }
    auto body = body_of(context, answer);
    if (!body) return std::nullopt;
    task = *std::move(body);
  }
  if (shows_progress) context.console.err << "\r\x1b[K" << std::flush;
  return task;
}

}  // namespace

ExitCode run(const Context& context, const DeadCommand& command) {
  const std::size_t limit = command.all ? std::numeric_limits<std::size_t>::max()
                                        : static_cast<std::size_t>(command.limit);
  JobsQuery query{.state = "Dead"};
  Json jobs = Json::array();
  bool more = true;
  while (more && jobs.size() < limit) {
    query.limit =
        static_cast<int>(std::min<std::size_t>(ServerClient::kPageMax, limit - jobs.size()));
    const Answer answer = context.server.jobs(command.queue, query);
    if (!answer.ok()) return fail(context, answer, "list dead letters of queue " + command.queue);
    const auto body = body_of(context, answer);
    if (!body) return ExitCode::kFailed;
    for (const Json& job : child_of(*body, "jobs")) jobs.push_back(job);
    query.cursor = text_of(*body, "cursor");
    more = !query.cursor.empty();
  }
  if (print_document(context, {{"jobs", jobs}})) return ExitCode::kOk;
  if (jobs.empty()) {
    say(context, "queue " + command.queue + " has no dead letters");
    return ExitCode::kOk;
  }
  print_table(context, dead_table(jobs, context.clock.now().wall));
  if (more) say(context, "there are more; --all or --limit shows them");
  return ExitCode::kOk;
}

ExitCode run(const Context& context, const RedriveCommand& command) {
  if (!command.stop.empty()) {
    const Answer answer = context.server.stop_redrive(command.queue, command.stop);
    if (!answer.ok()) return fail(context, answer, "stop redrive " + command.stop);
    const auto task = body_of(context, answer);
    return task ? report_redrive(context, *task, command) : ExitCode::kFailed;
  }
  const Answer answer = context.server.redrive(command.queue, redrive_body(command).dump());
  if (!answer.ok()) return fail(context, answer, "redrive queue " + command.queue);
  auto task = body_of(context, answer);
  if (task && !command.no_wait) task = follow_redrive(context, *std::move(task), command.queue);
  return task ? report_redrive(context, *task, command) : ExitCode::kFailed;
}

ExitCode run(const Context& context, const PurgeCommand& command) {
  if (!command.yes) {
    if (!context.console.in_is_terminal) {
      say(context, "purge drops dead letters for good; say --yes where nobody can be asked");
      return ExitCode::kUsage;
    }
    if (!confirmed(context, command.queue)) {
      say(context, "nothing dropped");
      return ExitCode::kFailed;
    }
  }
  const Json body = {{"filter", Json::object()}, {"max", kPurgeMax}};
  const Answer answer = context.server.purge(command.queue, body.dump());
  if (!answer.ok()) return fail(context, answer, "purge queue " + command.queue);
  const auto reply = body_of(context, answer);
  if (!reply) return ExitCode::kFailed;
  if (print_document(context, *reply)) return ExitCode::kOk;
  const std::int64_t purged = count_of(*reply, "purged");
  context.console.out << "purged " << letters(purged) << " of queue " << command.queue << '\n';
  if (purged == kPurgeMax) say(context, "that is the most for one call; run it again for the rest");
  return ExitCode::kOk;
}

}  // namespace sluice::cli
