// `sluice watch`: the broker's signals, or the ends of jobs, as they come.
#include <map>
#include <nlohmann/json.hpp>
#include <ostream>

#include "cli/commands.h"
#include "cli/queue_view.h"
#include "cli/retry.h"

namespace sluice::cli {
namespace {

// One line a change, for pipes and logs.
std::string plain_line(const Json& signal, TimePoint now) {
  const Json& figures = child_of(signal, "figures");
  std::string line = format_rfc3339(std::chrono::floor<std::chrono::seconds>(now));
  line += ' ' + queue_name_of(signal);
  for (const char* member : {"ready", "running", "scheduled", "dead"}) {
    line += ' ' + std::string(member) + '=' + std::to_string(count_of(figures, member));
  }
  line += " workers=" + std::to_string(child_of(signal, "workers").size());
  if (const std::string paused = paused_text(figures); !paused.empty()) line += " paused=" + paused;
  if (const std::string text = pressure_text(figures); !text.empty()) line += " pressure=" + text;
  if (const std::string text = circuit_text(figures); !text.empty()) line += " circuit=" + text;
  return line;
}

// What is known of the queues, and how it is shown.
class Watcher {
 public:
  Watcher(const Context& context, const WatchCommand& command)
      : context_(context), command_(command) {}

  void take(std::string_view line) {
    const auto signal = parse_json(line);
    // Keep-alive lines name no queue.
    if (!signal || !signal->contains("figures")) return;
    if (text_of(*signal, "namespace") != context_.server.namespace_name()) return;
    const std::string name = queue_name_of(*signal);
    if (!command_.queue.empty() && name != command_.queue) return;

    std::ostream& out = context_.console.out;
    if (context_.options.output == OutputFormat::kJson) {
      out << line << std::endl;
    } else if (context_.options.output == OutputFormat::kYaml) {
      out << "---\n" << print(*signal, DocumentFormat::kYaml) << std::flush;
    } else if (context_.console.out_is_terminal) {
      queues_[name] = *signal;
      redraw();
    } else {
      out << plain_line(*signal, context_.clock.now().wall) << std::endl;
    }
  }

 private:
  void redraw() {
    Json all = Json::array();
    for (const auto& [name, queue] : queues_) all.push_back(queue);
    // Home, the table with every line cleared to its end, then everything below it.
    std::string text = queues_table(all, false, context_.clock.now().wall).render();
    for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 4) {
      text.insert(at, "\x1b[K");
    }
    context_.console.out << (drawn_ ? "\x1b[H" : "\x1b[2J\x1b[H") << text << "\x1b[J" << std::flush;
    drawn_ = true;
  }

  const Context& context_;
  const WatchCommand& command_;
  std::map<std::string, Json> queues_;
  bool drawn_ = false;
};

// The ends of a queue's jobs, one a line: `data` of the server-sent events.
void print_end(const Context& context, std::string_view line) {
  constexpr std::string_view kData = "data: ";
  if (!line.starts_with(kData)) return;
  line.remove_prefix(kData.size());
  const auto end = parse_json(line);
  if (!end) return;
  std::ostream& out = context.console.out;
  if (context.options.output == OutputFormat::kJson) {
    out << line << std::endl;
  } else if (context.options.output == OutputFormat::kYaml) {
    out << "---\n" << print(*end, DocumentFormat::kYaml) << std::flush;
  } else {
    out << text_of(*end, "finishedAt") << ' ' << text_of(*end, "id") << ' '
        << text_of(*end, "state");
    if (const std::string reason = text_of(*end, "reason"); !reason.empty()) out << ' ' << reason;
    out << std::endl;
  }
}

// `stream` until nobody reads what is printed; again when it breaks, as long as that may help.
template <typename Stream, typename Take>
ExitCode follow(const Context& context, const Stream& stream, const Take& take) {
  RetrySchedule retry(RetryLimits{}, context.jitter_seed);
  for (;;) {
    bool heard = false;
    Answer answer = stream([&](std::string_view line) {
      if (!heard) retry.succeeded();
      heard = true;
      take(line);
      return static_cast<bool>(context.console.out);
    });
    if (!context.console.out) return ExitCode::kOk;
    // A stream that ended orderly is a server that stopped; it may come back.
    if (answer.ok()) answer = {.error = {ErrorCode::kUnavailable, "the stream ended"}};
    const auto wait = retry.next(answer, context.clock.now().steady);
    if (!wait) return fail(context, answer, "watch");
    if (heard) say(context, "connection lost; trying again");
    context.wait(*wait);
  }
}

}  // namespace

ExitCode run(const Context& context, const WatchCommand& command) {
  // A queue that is not there would never be heard of. Any other trouble is the stream's as well.
  if (!command.queue.empty()) {
    const Answer queue = context.server.queue(command.queue);
    if (queue.status == 404) return fail(context, queue, "watch queue " + command.queue);
  }
  if (command.jobs) {
    return follow(
        context,
        [&](const auto& on_line) { return context.server.follow_events(command.queue, on_line); },
        [&](std::string_view line) { print_end(context, line); });
  }
  Watcher watcher(context, command);
  return follow(
      context, [&](const auto& on_line) { return context.server.follow_signals(on_line); },
      [&](std::string_view line) { watcher.take(line); });
}

}  // namespace sluice::cli
