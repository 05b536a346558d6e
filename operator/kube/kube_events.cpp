#include "operator/kube/kube_events.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "common/base/log.h"
#include "common/http/client.h"
#include "operator/controller/json_read.h"
#include "operator/kube/leader_election.h"
#include "operator/kube/resource_path.h"

namespace sluice::kube {
namespace {

using nlohmann::json;

constexpr const char* kController = "sluice.dev/operator";
constexpr const char* kAction = "Reconcile";
constexpr std::size_t kNoteBytesMax = 1024;  // the API server's

// Cut where a character begins.
std::string cut(std::string text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  std::size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  text.resize(end);
  return text;
}

std::string events_path(const EventFact& fact) {
  return "/apis/events.k8s.io/v1/namespaces/" + http::percent_encode(fact.about.namespace_name) +
         "/events";
}

json series_of(const EventFact& fact, std::int64_t count) {
  return {{"count", count}, {"lastObservedTime", format_micro_time(fact.at)}};
}

}  // namespace

KubeEvents::KubeEvents(ApiClient& client, const Clock& clock, KubeEventsOptions options)
    : client_(client),
      clock_(clock),
      options_(std::move(options)),
      calls_(client, {.jitter_seed = options_.seed}),
      series_(options_.seed),
      thread_([this] { run(); }) {}

KubeEvents::~KubeEvents() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  wake_.notify_all();
  calls_.end();
  client_.cancel();
  thread_.join();
}

void KubeEvents::record(const op::Object& about, op::EventSeverity severity,
                        const std::string& reason, const std::string& message) {
  EventFact fact{about.key, about.uid, severity, reason, message, clock_.now().wall};
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() >= options_.waiting_max) return;
    waiting_.push_back(std::move(fact));
  }
  wake_.notify_one();
}

void KubeEvents::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return is_stopping_ || !waiting_.empty(); });
    if (is_stopping_) return;
    const EventFact fact = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    write(fact);
    lock.lock();
  }
}

void KubeEvents::write(const EventFact& fact) {
  const auto event = series_.note(fact, clock_.now().steady);
  if (!event) return;
  const Status written = event->is_new ? create(fact, *event) : count(fact, *event);
  if (!written) {
    series_.forget(fact);
    if (!is_failing_) {
      log_warn("event not written", {{"reason", fact.reason}, {"error", written.error().message}});
    }
  }
  is_failing_ = !written;
}

Status KubeEvents::create(const EventFact& fact, const EventSeries::Write& event) {
  json document = {{"apiVersion", "events.k8s.io/v1"},
                   {"kind", "Event"},
                   {"metadata", {{"name", event.name}, {"namespace", fact.about.namespace_name}}},
                   {"eventTime", format_micro_time(fact.at)},
                   {"reportingController", kController},
                   {"reportingInstance", options_.instance},
                   {"action", kAction},
                   {"reason", fact.reason},
                   {"regarding",
                    {{"apiVersion", api_version(fact.about.kind)},
                     {"kind", kind_name(fact.about.kind)},
                     {"namespace", fact.about.namespace_name},
                     {"name", fact.about.name},
                     {"uid", fact.uid}}},
                   {"type", fact.severity == op::EventSeverity::kWarning ? "Warning" : "Normal"},
                   {"note", cut(fact.message, kNoteBytesMax)}};
  if (event.count > 1) document["series"] = series_of(fact, event.count);
  const auto body =
      calls_.call({.method = "POST", .path = events_path(fact), .body = op::dump_json(document)});
  return body ? Status(Ok{}) : Status(body.error());
}

Status KubeEvents::count(const EventFact& fact, const EventSeries::Write& event) {
  const json patch = {{"series", series_of(fact, event.count)}};
  const auto body = calls_.call({.method = "PATCH",
                                 .path = events_path(fact) + "/" + http::percent_encode(event.name),
                                 .body = op::dump_json(patch),
                                 .content_type = "application/merge-patch+json"});
  if (body) return Ok{};
  if (body.error().code != ErrorCode::kNotFound) return body.error();
  // It expired: told anew the next time.
  series_.forget(fact);
  return Ok{};
}

}  // namespace sluice::kube
