#include "cli/bulk_enqueue.h"

#include <nlohmann/json.hpp>
#include <ostream>

#include "cli/job_line.h"
#include "cli/table.h"

namespace sluice::cli {
namespace {

constexpr Duration kProgressEvery = std::chrono::milliseconds{200};

// Refusals that one bad job of a batch may have caused for all of them.
bool may_be_one_jobs_fault(int status) {
  return status == 400 || status == 413 || status == 422;
}

std::string lines_text(std::int64_t first, std::int64_t last) {
  if (first == last) return "line " + std::to_string(first);
  return "lines " + std::to_string(first) + " to " + std::to_string(last);
}

}  // namespace

BulkEnqueue::BulkEnqueue(const Context& context, const EnqueueCommand& command, int fd)
    : context_(context),
      command_(command),
      verb_(command.imports ? "import" : "enqueue"),
      done_(command.imports ? "imported" : "enqueued"),
      prefix_(command.resume_key.empty() ? context.fresh_key : command.resume_key),
      group_id_(command.group.wanted ? group_id(prefix_) : ""),
      reader_(fd, BulkLimits{}),
      retry_(RetryLimits{}, context.jitter_seed),
      started_(context.clock.now().steady),
      shown_(started_) {}

ExitCode BulkEnqueue::run() {
  if (!command_.imports) {
    complain("resume key " + prefix_ +
             ": after an interruption, the same input with --resume-key " + prefix_ +
             " makes no duplicates");
  }
  for (;;) {
    const auto batch = reader_.next();
    if (!batch) {
      complain(batch.error().message);
      stopped_with_ = ExitCode::kFailed;
      break;
    }
    if (!*batch) break;
    for (const std::int64_t line : (*batch)->too_long) refuse(line, "the line is over 2 MiB");
    const std::vector<Item> items = items_of(**batch);
    if (!items.empty() && !send(items)) break;
    show_progress();
  }
  if (stopped_with_ == ExitCode::kOk && enqueued_ > 0 && !group_id_.empty()) close_group();
  finish();
  if (stopped_with_ != ExitCode::kOk) return stopped_with_;
  return refused_ > 0 ? ExitCode::kFailed : ExitCode::kOk;
}

std::vector<BulkEnqueue::Item> BulkEnqueue::items_of(const BulkBatch& batch) {
  std::vector<Item> items;
  items.reserve(batch.lines.size());
  for (const BulkLine& line : batch.lines) {
    auto body = body_of_line(line);
    if (body) {
      items.push_back({.line = line.number, .body = *std::move(body)});
    } else {
      refuse(line.number, body.error().message);
    }
  }
  return items;
}

Result<std::string> BulkEnqueue::body_of_line(const BulkLine& line) const {
  if (command_.imports) return import_body(line.text);
  const std::string key = line_key(prefix_, line.number);
  return command_.envelope ? envelope_body(line.text, key)
                           : job_body(command_.fields, line.text, key);
}

bool BulkEnqueue::send(std::span<const Item> items) {
  std::vector<std::string> bodies;
  bodies.reserve(items.size());
  for (const Item& item : items) bodies.push_back(item.body);
  const std::string group =
      group_id_.empty() ? "" : group_body(command_.group, group_id_, /*open=*/true);
  const Answer answer = send_patiently(batch_body(bodies, group));
  if (answer.ok()) return take_results(items, answer);
  if (may_be_one_jobs_fault(answer.status)) {
    if (items.size() == 1) {
      refuse(items.front().line, answer.error.message);
      return true;
    }
    // Halving finds the culprit; the jobs beside it are not held up by it.
    const std::size_t half = items.size() / 2;
    return send(items.first(half)) && send(items.subspan(half));
  }
  return take_refusal(items, answer);
}

// Only then can it finish.
void BulkEnqueue::close_group() {
  const Answer answer =
      send_patiently(batch_body({}, group_body(command_.group, group_id_, /*open=*/false)));
  if (!answer.ok()) stopped_with_ = fail(context_, answer, "close group " + group_id_);
}

Answer BulkEnqueue::send_patiently(const std::string& body) {
  bool said = false;
  for (;;) {
    Answer answer = context_.server.enqueue_batch(command_.queue, body);
    if (answer.ok()) {
      retry_.succeeded();
      return answer;
    }
    const auto wait = retry_.next(answer, context_.clock.now().steady);
    if (!wait) return answer;
    if (!said) complain("trying again: " + answer.error.message);
    said = true;
    context_.wait(*wait);
  }
}

bool BulkEnqueue::take_results(std::span<const Item> items, const Answer& answer) {
  const auto body = body_of(context_, answer);
  const bool is_whole = body && body->contains("results") && (*body)["results"].is_array() &&
                        (*body)["results"].size() == items.size();
  if (!is_whole) {
    complain("the answer to " + lines_text(items.front().line, items.back().line) +
             " does not say what became of each job");
    stopped_with_ = ExitCode::kFailed;
    return false;
  }
  const Json& results = (*body)["results"];
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (!results[i].contains("error")) {
      ++enqueued_;
      continue;
    }
    const Json& problem = results[i]["error"];
    std::string why = text_of(problem, "detail");
    if (why.empty()) why = text_of(problem, "title");
    const std::string field = text_of(problem, "field");
    refuse(items[i].line, field.empty() ? why : field + ": " + why);
  }
  return true;
}

// The queue or the server as a whole says no: the rest of the input would fare no better.
bool BulkEnqueue::take_refusal(std::span<const Item> items, const Answer& answer) {
  clear_progress();
  stopped_with_ =
      fail(context_, answer,
           std::string(verb_) + " " + lines_text(items.front().line, items.back().line) +
               " to queue " + command_.queue);
  if (!answer.is_unreachable()) refused_ += static_cast<std::int64_t>(items.size());
  complain("stopped; go on later with the same input" +
           (command_.imports ? std::string() : " and --resume-key " + prefix_));
  return false;
}

void BulkEnqueue::refuse(std::int64_t line, std::string_view why) {
  ++refused_;
  complain(lines_text(line, line) + ": " + std::string(why));
}

void BulkEnqueue::complain(std::string_view message) {
  clear_progress();
  say(context_, message);
}

void BulkEnqueue::show_progress() {
  if (!context_.console.err_is_terminal) return;
  const SteadyPoint now = context_.clock.now().steady;
  if (now - shown_ < kProgressEvery) return;
  shown_ = now;
  progress_visible_ = true;
  const double seconds = to_seconds(now - started_);
  context_.console.err << "\r\x1b[K" << done_ << " " << format_count(enqueued_) << " jobs ("
                       << format_count(refused_) << " refused)  "
                       << format_rate(static_cast<double>(enqueued_) / seconds) << std::flush;
}

void BulkEnqueue::clear_progress() {
  if (progress_visible_) context_.console.err << "\r\x1b[K" << std::flush;
  progress_visible_ = false;
}

void BulkEnqueue::finish() {
  clear_progress();
  Json summary = {{done_, enqueued_}, {"refused", refused_}};
  if (!command_.imports) summary["resumeKey"] = prefix_;
  if (!group_id_.empty()) summary["group"] = group_id_;
  if (print_document(context_, summary)) return;
  context_.console.out << done_ << " " << enqueued_ << " jobs (" << refused_ << " refused)";
  if (!group_id_.empty()) context_.console.out << ", group " << group_id_;
  context_.console.out << '\n';
}

}  // namespace sluice::cli
