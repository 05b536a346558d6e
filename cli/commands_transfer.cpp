// `sluice export` and `import`: the jobs of a queue as lines.
#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <ostream>

#include "cli/bulk_enqueue.h"
#include "cli/commands.h"
#include "cli/job_line.h"
#include "cli/raw_json.h"
#include "cli/retry.h"
#include "cli/table.h"

namespace sluice::cli {
namespace {

constexpr Duration kProgressEvery = std::chrono::milliseconds{200};

// One call of `sluice export`.
class Export {
 public:
  Export(const Context& context, const ExportCommand& command, std::ostream& out)
      : context_(context),
        command_(command),
        out_(out),
        retry_(RetryLimits{}, context.jitter_seed),
        shown_(context.clock.now().steady) {}

  ExitCode run() {
    JobsQuery query{.state = command_.states,
                    .limit = ServerClient::kPageMax,
                    .labels = command_.labels,
                    .with_payload = true};
    do {
      const Answer answer = fetch(query);
      if (!answer.ok()) return fail(context_, answer, "export queue " + command_.queue);
      if (!body_of(context_, answer)) return ExitCode::kFailed;
      query.cursor = write_page(answer.body);
      if (!out_.flush()) {
        say(context_, "cannot write " + (command_.file.empty() ? "the jobs" : command_.file) +
                          ": " + std::strerror(errno));
        return ExitCode::kFailed;
      }
      show_progress();
    } while (!query.cursor.empty());
    clear_progress();
    say(context_, "exported " + format_count(exported_) + (exported_ == 1 ? " job" : " jobs"));
    return ExitCode::kOk;
  }

 private:
  Answer fetch(const JobsQuery& query) {
    for (;;) {
      Answer answer = context_.server.jobs(command_.queue, query);
      if (answer.ok()) {
        retry_.succeeded();
        return answer;
      }
      const auto wait = retry_.next(answer, context_.clock.now().steady);
      if (!wait) return answer;
      context_.wait(*wait);
    }
  }

  // The cursor of the next page; empty after the last.
  std::string write_page(std::string_view body) {
    const auto page = raw_members(body);
    for (const std::string_view job : raw_elements(raw_member(page, "jobs"))) {
      const auto line = export_line(job);
      if (!line) continue;
      out_ << *line << '\n';
      ++exported_;
    }
    // Cursors are made of letters, digits and dashes: nothing in them is escaped.
    std::string_view cursor = raw_member(page, "cursor");
    if (cursor.size() < 2) return {};
    return std::string(cursor.substr(1, cursor.size() - 2));
  }

  void show_progress() {
    if (!context_.console.err_is_terminal) return;
    const SteadyPoint now = context_.clock.now().steady;
    if (now - shown_ < kProgressEvery) return;
    shown_ = now;
    context_.console.err << "\r\x1b[Kexported " << format_count(exported_) << " jobs" << std::flush;
  }
  void clear_progress() {
    if (context_.console.err_is_terminal) context_.console.err << "\r\x1b[K" << std::flush;
  }

  const Context& context_;
  const ExportCommand& command_;
  std::ostream& out_;
  RetrySchedule retry_;
  SteadyPoint shown_;
  std::int64_t exported_ = 0;
};

}  // namespace

ExitCode run(const Context& context, const ExportCommand& command) {
  if (command.file.empty() || command.file == "-") {
    return Export(context, command, context.console.out).run();
  }
  std::ofstream file(command.file, std::ios::binary | std::ios::trunc);
  if (!file) {
    say(context, "cannot write " + command.file + ": " + std::strerror(errno));
    return ExitCode::kUsage;
  }
  return Export(context, command, file).run();
}

ExitCode run(const Context& context, const ImportCommand& command) {
  const EnqueueCommand bulk{.queue = command.queue, .file = command.file, .imports = true};
  if (command.file.empty() && context.console.in_is_terminal) {
    say(context, "nothing to import: give a FILE (- is standard input)");
    return ExitCode::kUsage;
  }
  return run(context, bulk);
}

}  // namespace sluice::cli
