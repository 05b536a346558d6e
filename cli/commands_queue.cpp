// `sluice cancel`, `run`, `reschedule`, `pause` and `resume`.
#include <nlohmann/json.hpp>
#include <ostream>

#include "cli/commands.h"
#include "cli/queue_view.h"
#include "cli/table.h"

namespace sluice::cli {
namespace {

// Page by page until no job is left that the filter means.
ExitCode cancel_matching(const Context& context, const CancelCommand& command) {
  Json filter = Json::object();
  if (!command.labels.empty()) filter["labels"] = command.labels;
  if (!command.state.empty()) filter["state"] = command.state;
  if (!command.created_before.empty()) filter["createdBefore"] = command.created_before;
  Json body = {{"filter", filter}};
  std::int64_t cancelled = 0;
  std::int64_t stopping = 0;
  for (bool more = true; more;) {
    const Answer answer = context.server.cancel_jobs(command.queue, body.dump());
    if (!answer.ok()) return fail(context, answer, "cancel jobs of queue " + command.queue);
    const auto page = body_of(context, answer);
    if (!page) return ExitCode::kFailed;
    cancelled += count_of(*page, "cancelled");
    stopping += count_of(*page, "stopping");
    body["cursor"] = text_of(*page, "cursor");
    more = !text_of(*page, "cursor").empty();
  }
  if (print_document(context, {{"cancelled", cancelled}, {"stopping", stopping}})) {
    return ExitCode::kOk;
  }
  context.console.out << format_count(cancelled) << " cancelled, " << format_count(stopping)
                      << " running and asked to stop\n";
  return ExitCode::kOk;
}

// A job's new due date.
ExitCode report_due(const Context& context, const Answer& answer, const std::string& id) {
  const auto job = body_of(context, answer);
  if (!job) return ExitCode::kFailed;
  if (print_document(context, *job)) return ExitCode::kOk;
  context.console.out << "job " << id << " is " << text_of(*job, "state") << ", due "
                      << text_of(*job, "dueAt") << '\n';
  return ExitCode::kOk;
}

}  // namespace

ExitCode run(const Context& context, const RunCommand& command) {
  const Answer answer = context.server.run_job(command.queue, command.id);
  if (!answer.ok()) return fail(context, answer, "run job " + command.id);
  return report_due(context, answer, command.id);
}

ExitCode run(const Context& context, const RescheduleCommand& command) {
  const Json body = command.delay_seconds ? Json{{"delaySeconds", *command.delay_seconds}}
                                          : Json{{"runAt", command.run_at}};
  const Answer answer = context.server.reschedule(command.queue, command.id, body.dump());
  if (!answer.ok()) return fail(context, answer, "reschedule job " + command.id);
  return report_due(context, answer, command.id);
}

ExitCode run(const Context& context, const CancelCommand& command) {
  if (command.id.empty()) return cancel_matching(context, command);
  const Answer answer = context.server.cancel(command.queue, command.id);
  if (!answer.ok()) return fail(context, answer, "cancel job " + command.id);
  const auto job = body_of(context, answer);
  if (!job) return ExitCode::kFailed;
  if (print_document(context, *job)) return ExitCode::kOk;

  const std::string state = text_of(*job, "state");
  context.console.out << "job " << command.id;
  if (answer.status == 202) {
    context.console.out << " is running and was asked to stop\n";
  } else if (state == "Cancelled") {
    context.console.out << " is cancelled\n";
  } else {
    context.console.out << " had already ended: " << state << '\n';
  }
  return ExitCode::kOk;
}

ExitCode run(const Context& context, const PauseCommand& command) {
  const bool both = command.enqueue == command.dispatch;  // neither flag means both
  Json body = Json::object();
  if (both || command.enqueue) body["enqueue"] = true;
  if (both || command.dispatch) body["dispatch"] = true;
  const Answer answer = context.server.pause(command.queue, body.dump());
  if (!answer.ok()) return fail(context, answer, "pause queue " + command.queue);

  if (context.options.output != OutputFormat::kTable) {
    const auto reply = body_of(context, answer);
    if (!reply) return ExitCode::kFailed;
    print_document(context, *reply);
    return ExitCode::kOk;
  }
  context.console.out << "queue " << command.queue << " paused: ";
  if (both) {
    context.console.out << "takes no jobs and starts none\n";
  } else {
    context.console.out << (command.enqueue ? "takes no jobs\n" : "starts no jobs\n");
  }
  return ExitCode::kOk;
}

ExitCode run(const Context& context, const ResumeCommand& command) {
  const Answer answer = context.server.resume(command.queue, {});
  if (!answer.ok()) return fail(context, answer, "resume queue " + command.queue);
  const auto reply = body_of(context, answer);
  if (!reply) return ExitCode::kFailed;
  if (print_document(context, *reply)) return ExitCode::kOk;
  const Json& paused = child_of(child_of(*reply, "figures"), "paused");
  const bool enqueue = flag_of(paused, "enqueue");
  const bool dispatch = flag_of(paused, "dispatch");
  if (!enqueue && !dispatch) {
    context.console.out << "queue " << command.queue << " resumed\n";
    return ExitCode::kOk;
  }
  context.console.out << "queue " << command.queue << " still "
                      << (enqueue && dispatch ? "takes no jobs and starts none"
                          : enqueue           ? "takes no jobs"
                                              : "starts no jobs")
                      << ": spec.pause of its manifest says so\n";
  return ExitCode::kOk;
}

}  // namespace sluice::cli
