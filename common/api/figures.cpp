// Figures and signals of job_protocol.h.
#include <nlohmann/json.hpp>
#include <utility>

#include "common/api/job_protocol.h"
#include "common/api/json_text.h"
#include "common/api/reply_reader.h"

namespace sluice::api {
namespace {

using nlohmann::json;

// A word of a newer version leaves the default.
template <typename Enum>
void read_word(ReplyReader& reader, std::string_view name,
               std::optional<Enum> (*parse)(std::string_view), Enum& out) {
  std::string word;
  reader.read(name, word);
  if (const auto known = parse(word)) out = *known;
}

QueueFigures read_figures(ReplyReader& reader) {
  QueueFigures figures;
  reader.read("backlog", figures.backlog);
  reader.read("ready", figures.ready);
  reader.read("dispatchable", figures.dispatchable);
  reader.read("scheduled", figures.scheduled);
  reader.read("dueSoon", figures.due_soon);
  reader.read("blocked", figures.blocked);
  reader.read("running", figures.running);
  reader.read("dead", figures.dead);
  reader.read("oldestReadyTime", figures.oldest_ready_time);
  reader.read("bytes", figures.bytes);
  reader.read("enqueuedPerSecond", figures.enqueued_per_second);
  reader.read("readyPerSecond", figures.ready_per_second);
  reader.read("startedPerSecond", figures.started_per_second);
  reader.read("succeededPerSecond", figures.succeeded_per_second);
  reader.read("failedPerSecond", figures.failed_per_second);
  reader.read("meanSlotSeconds", figures.mean_slot_seconds);
  reader.read("waitEstimateSeconds", figures.wait_estimate_seconds);
  reader.read("runningElapsedSeconds", figures.running_elapsed_seconds);
  reader.read("finishedRecently", figures.finished_recently);
  if (auto paused = reader.object("paused")) {
    paused->read("enqueue", figures.paused_enqueue);
    paused->read("dispatch", figures.paused_dispatch);
  }
  read_word(reader, "pressure", parse_pressure, figures.pressure);
  read_word(reader, "circuit", parse_circuit_state, figures.circuit);
  if (reader.has("throttledPerSecond")) {
    reader.read("throttledPerSecond", figures.throttled_per_second.emplace());
  }
  return figures;
}

WorkerFigures read_worker(ReplyReader& reader) {
  WorkerFigures worker;
  reader.require("name");
  reader.read("name", worker.name);
  reader.read("instance", worker.instance);
  reader.read("running", worker.running);
  reader.read("drainRequested", worker.drain_requested);
  reader.read("draining", worker.draining);
  reader.read("holding", worker.holding);
  reader.read("seenAt", worker.seen_at);
  return worker;
}

}  // namespace

std::string encode(const QueueFigures& figures) {
  json object{
      {"backlog", figures.backlog},
      {"ready", figures.ready},
      {"dispatchable", figures.dispatchable},
      {"scheduled", figures.scheduled},
      {"dueSoon", figures.due_soon},
      {"blocked", figures.blocked},
      {"running", figures.running},
      {"dead", figures.dead},
      {"bytes", figures.bytes},
      {"enqueuedPerSecond", figures.enqueued_per_second},
      {"readyPerSecond", figures.ready_per_second},
      {"startedPerSecond", figures.started_per_second},
      {"succeededPerSecond", figures.succeeded_per_second},
      {"failedPerSecond", figures.failed_per_second},
      {"meanSlotSeconds", figures.mean_slot_seconds},
      {"waitEstimateSeconds", figures.wait_estimate_seconds},
      {"runningElapsedSeconds", figures.running_elapsed_seconds},
      {"finishedRecently", figures.finished_recently},
      {"paused", {{"enqueue", figures.paused_enqueue}, {"dispatch", figures.paused_dispatch}}},
      {"pressure", to_string(figures.pressure)},
      {"circuit", to_string(figures.circuit)}};
  if (figures.oldest_ready_time) {
    object["oldestReadyTime"] = format_rfc3339(*figures.oldest_ready_time);
  }
  if (figures.throttled_per_second) object["throttledPerSecond"] = *figures.throttled_per_second;
  return dump(object);
}

std::string encode(const std::vector<WorkerFigures>& workers) {
  json list = json::array();
  for (const WorkerFigures& worker : workers) {
    json object{{"name", worker.name},         {"instance", worker.instance},
                {"running", worker.running},   {"drainRequested", worker.drain_requested},
                {"draining", worker.draining}, {"holding", worker.holding}};
    if (worker.seen_at) object["seenAt"] = format_rfc3339(*worker.seen_at);
    list.push_back(std::move(object));
  }
  return dump(list);
}

Result<QueueSignal> decode_queue_signal(std::string_view text) {
  QueueSignal signal;
  const Status status = read_reply(text, [&](ReplyReader& reader) {
    reader.read("namespace", signal.namespace_name);
    reader.read("queue", signal.queue);
    reader.require("figures");
    if (auto figures = reader.object("figures")) signal.figures = read_figures(*figures);
    reader.each("workers",
                [&](ReplyReader& worker) { signal.workers.push_back(read_worker(worker)); });
  });
  if (!status) return status.error();
  return signal;
}

}  // namespace sluice::api
