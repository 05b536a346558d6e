#include "broker/server/hub.h"

#include <algorithm>

#include "broker/server/json_writer.h"

namespace sluice::broker {

Desk::Desk(std::size_t index, std::size_t desks, std::function<void(const ClaimGrant&)> hand_back)
    : desks_(desks), last_waiter_(index), hand_back_(std::move(hand_back)) {}

// A waiter's number says which desk it sits at: its remainder by the number of desks.
WaiterId Desk::next_waiter() {
  return last_waiter_ += desks_;
}

void Desk::add_job(JobId id, Sleeper& sleeper) {
  jobs_.emplace(id, &sleeper);
  ++job_count_;
}

void Desk::remove_job(JobId id, Sleeper& sleeper) {
  const auto [first, last] = jobs_.equal_range(id);
  for (auto it = first; it != last; ++it) {
    if (it->second != &sleeper) continue;
    jobs_.erase(it);
    --job_count_;
    return;
  }
}

void Desk::add_outcome(Sleeper& sleeper) {
  outcomes_.insert(&sleeper);
  outcome_count_ = outcomes_.size();
}

void Desk::remove_outcome(Sleeper& sleeper) {
  outcomes_.erase(&sleeper);
  outcome_count_ = outcomes_.size();
}

void Desk::add_stream(LineReader& reader) {
  streams_.insert(&reader);
  stream_count_ = streams_.size();
}

void Desk::remove_stream(LineReader& reader) {
  streams_.erase(&reader);
  stream_count_ = streams_.size();
}

void Desk::deliver_claims(std::vector<Effects::WokenClaim>& claims) {
  for (Effects::WokenClaim& woken : claims) {
    const auto found = claims_.find(woken.waiter);
    if (found != claims_.end()) {
      found->second->grant.emplace(std::move(woken.grant));
      found->second->sleeper.wake();
      claims_.erase(found);
    } else if (woken.grant && !woken.grant->jobs.empty()) {
      hand_back_(*woken.grant);
    }
  }
}

void Desk::deliver_ended(const std::vector<JobId>& ended) {
  for (const JobId& id : ended) {
    const auto [first, last] = jobs_.equal_range(id);
    for (auto it = first; it != last; ++it) it->second->wake();
  }
}

void Desk::deliver_outcomes() {
  for (Sleeper* sleeper : outcomes_) sleeper->wake();
}

void Desk::deliver_lines(const std::shared_ptr<const std::string>& lines) {
  for (LineReader* reader : streams_) reader->push(lines);
}

void Desk::add_event_stream(const QueueName& queue, LineReader& reader) {
  event_streams_.emplace(queue, &reader);
  event_stream_count_ = event_streams_.size();
}

void Desk::remove_event_stream(const QueueName& queue, LineReader& reader) {
  const auto [first, last] = event_streams_.equal_range(queue);
  const auto found =
      std::find_if(first, last, [&](const auto& entry) { return entry.second == &reader; });
  if (found != last) event_streams_.erase(found);
  event_stream_count_ = event_streams_.size();
}

void Desk::deliver_events(const QueueName& queue,
                          const std::shared_ptr<const std::string>& events) {
  const auto [first, last] = event_streams_.equal_range(queue);
  for (auto it = first; it != last; ++it) it->second->push(events);
}

void Hub::on_effects(Effects&& effects) {
  if (!effects.claims.empty()) send_claims(std::move(effects.claims));
  if (!effects.signals.empty()) send_lines(effects.signals);
  if (!effects.ends.empty()) send_events(effects.ends);
  if (deliver_) {
    for (const auto& [queue, number] : effects.deliveries) deliver_(queue, number);
  }
  if (!effects.ended.empty()) {
    const auto ended = std::make_shared<const std::vector<JobId>>(std::move(effects.ended));
    for (const Place& place : places_) {
      if (!place.desk->wants_jobs()) continue;
      place.post([desk = place.desk, ended] { desk->deliver_ended(*ended); });
    }
  }
  if (!effects.outcomes_changed) return;
  for (const Place& place : places_) {
    if (place.desk->wants_outcomes()) place.post([desk = place.desk] { desk->deliver_outcomes(); });
  }
}

void Hub::on_batch_released() {
  for (const Place& place : places_) place.send_answered();
}

void Hub::send_claims(std::vector<Effects::WokenClaim> claims) {
  using Claims = std::vector<Effects::WokenClaim>;
  std::vector<std::shared_ptr<Claims>> parcels(places_.size());
  for (Effects::WokenClaim& woken : claims) {
    auto& parcel = parcels[woken.waiter % places_.size()];
    if (!parcel) parcel = std::make_shared<Claims>();
    parcel->push_back(std::move(woken));
  }
  for (std::size_t i = 0; i < places_.size(); ++i) {
    if (!parcels[i]) continue;
    places_[i].post([desk = places_[i].desk, parcel = std::move(parcels[i])] {
      desk->deliver_claims(*parcel);
    });
  }
}

void Hub::send_lines(const std::vector<api::QueueSignal>& signals) {
  auto lines = std::make_shared<std::string>();
  for (const api::QueueSignal& signal : signals) {
    JsonWriter(*lines)
        .begin_object()
        .member("namespace", signal.namespace_name)
        .member("queue", signal.queue)
        .key("figures")
        .raw(api::encode(signal.figures))
        .key("workers")
        .raw(api::encode(signal.workers))
        .end_object();
    lines->push_back('\n');
  }
  const std::shared_ptr<const std::string> shared = std::move(lines);
  for (const Place& place : places_) {
    if (!place.desk->wants_lines()) continue;
    place.post([desk = place.desk, shared] { desk->deliver_lines(shared); });
  }
}

// As server-sent events, those of one queue in one piece.
void Hub::send_events(const std::vector<Effects::JobEnd>& ends) {
  std::map<QueueName, std::shared_ptr<std::string>> texts;
  for (const Effects::JobEnd& end : ends) {
    auto& text = texts[end.queue];
    if (!text) text = std::make_shared<std::string>();
    std::string data;
    JsonWriter(data)
        .begin_object()
        .member("id", to_string(end.id))
        .member("state", api::to_string(end.state))
        .member("finishedAt", end.at)
        .member_if_set("reason", end.reason)
        .end_object();
    text->append("event: ").append(api::to_string(end.state));
    text->append("\ndata: ").append(data).append("\n\n");
  }
  for (auto& [queue, text] : texts) {
    const std::shared_ptr<const std::string> shared = std::move(text);
    for (const Place& place : places_) {
      if (!place.desk->wants_events()) continue;
      place.post([desk = place.desk, queue, shared] { desk->deliver_events(queue, shared); });
    }
  }
}

}  // namespace sluice::broker
