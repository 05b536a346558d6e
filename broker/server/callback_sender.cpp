#include "broker/server/callback_sender.h"

#include <algorithm>
#include <future>

#include "broker/server/webhook_signature.h"
#include "common/base/log.h"
#include "common/http/retry_after.h"
#include "common/http/watched_file.h"

namespace sluice::broker {
namespace {

constexpr Duration kExchangeMax = std::chrono::seconds{15};  // well within a lease
constexpr Duration kGoneFor = std::chrono::hours{24};
constexpr int kRetryAfterSecondsMax = 24 * 3600;
constexpr std::size_t kResponseBytesMax = 1024 * 1024;  // nobody reads it
constexpr int kStatusGone = 410;
constexpr const char* kWorkerName = "sluice-broker";

// Runs an engine step and waits until what it saw is durable.
template <typename Run>
auto ask_and_wait(EngineLoop& loop, Run run) {
  using Reply = std::invoke_result_t<Run&, Engine&, Now, RecordSink&>;
  std::promise<Reply> replied;
  auto reply = replied.get_future();
  loop.submit(std::move(run), [&replied](Reply value) { replied.set_value(std::move(value)); });
  return reply.get();
}

std::string origin_of(const http::Url& url) {
  return url.scheme + "://" + url.host + ":" + url.port;
}

void fail(SettleRequest& settlement, std::string reason, std::string message, bool never = false) {
  settlement.outcome = api::Outcome::kFailed;
  settlement.error = api::RunError{std::move(reason), std::move(message), {}, {}, never};
}

}  // namespace

struct CallbackSender::Delivery {
  QueueName queue;
  JobId id;
  ClaimNumber claim{};
  api::Callback callback;
  std::string body;
  std::string traceparent;
};

// A thread's connection to the receiver that it posted to last.
class CallbackSender::Line {
 public:
  http::Client& to(const http::Url& origin, const CallbackOptions& options) {
    std::string name = origin_of(origin);
    if (client_ && name == origin_) return *client_;
    http::ClientOptions client;
    client.ca_file = options.ca_file;
    client.may_connect = [&options](const std::string& address) {
      return http::is_globally_routable(address) || http::is_in_any(options.allowed, address);
    };
    client.response_bytes_max = kResponseBytesMax;
    client_ = std::make_unique<http::Client>(origin, std::move(client));
    origin_ = std::move(name);
    return *client_;
  }
  void cancel() {
    if (client_) client_->cancel();
  }

 private:
  std::string origin_;
  std::unique_ptr<http::Client> client_;
};

CallbackSender::CallbackSender(EngineLoop& loop, Store& store, const Clock& clock,
                               CallbackOptions options)
    : loop_(loop), store_(store), clock_(clock), options_(std::move(options)) {}

CallbackSender::~CallbackSender() = default;

void CallbackSender::wake(const QueueName& queue, QueueNumber number) {
  const std::scoped_lock lock(mutex_);
  if (stopped_) return;
  due_[queue] = number;
  if (idle_ == 0 && threads_.size() < kThreadsMax) {
    threads_.emplace_back([this] { deliver_for_ever(); });
  }
  changed_.notify_one();
}

void CallbackSender::stop() {
  {
    const std::scoped_lock lock(mutex_);
    stopped_ = true;
    for (Line* line : lines_) line->cancel();
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

// The queue after the one whose turn it was; absent once stopped.
std::optional<QueueName> CallbackSender::next_queue() {
  std::unique_lock lock(mutex_);
  ++idle_;
  changed_.wait(lock, [this] { return stopped_ || !due_.empty(); });
  --idle_;
  if (stopped_) return std::nullopt;
  auto next = due_.upper_bound(last_);
  if (next == due_.end()) next = due_.begin();
  last_ = next->first;
  due_.erase(next);
  return last_;
}

void CallbackSender::deliver_for_ever() {
  Line line;
  while (const auto queue = next_queue()) {
    const auto delivery = claim(*queue);
    if (!delivery) continue;
    settle(*delivery, deliver(*delivery, line));
  }
}

std::optional<CallbackSender::Delivery> CallbackSender::claim(const QueueName& queue) {
  struct Claimed {
    ClaimGrant grant;
    std::optional<JobView> job;
  };
  Claimed claimed = ask_and_wait(loop_, [&queue](Engine& engine, Now now, RecordSink& sink) {
    Claimed reply;
    auto grant = engine.claim({queue, kWorkerName, {}, 1}, now, sink);
    if (!grant || grant->jobs.empty()) return reply;
    reply.job = engine.find(queue, grant->jobs.front().id, now);
    reply.grant = *std::move(grant);
    return reply;
  });
  if (!claimed.job) return std::nullopt;
  wake(queue, claimed.grant.queue);  // where one was there may be more, for another thread

  const JobId id = claimed.grant.jobs.front().id;
  Delivery delivery{.queue = queue, .id = id, .claim = claimed.grant.claim};
  const std::vector<JobId> ids{id};
  auto bodies = store_.bodies(claimed.grant.queue, ids);
  if (!bodies || !bodies->front() || !claimed.job->extras.callback) {
    // Its lease ends in time, and it is tried again.
    log_error("a callback cannot be read", {{"job", to_string(id)}});
    return std::nullopt;
  }
  delivery.callback = *std::move(claimed.job->extras.callback);
  delivery.body = std::move(bodies->front()->payload);
  delivery.traceparent = std::move(bodies->front()->traceparent);
  return delivery;
}

void CallbackSender::settle(const Delivery& delivery, SettleRequest request) {
  request.queue = delivery.queue;
  request.id = delivery.id;
  request.claim = delivery.claim;
  if (request.error) {
    log_info("callback failed", {{"job", to_string(delivery.id)},
                                 {"reason", request.error->reason},
                                 {"error", request.error->message}});
  }
  const Status settled = ask_and_wait(loop_, [&request](Engine& engine, Now now, RecordSink& sink) {
    return engine.settle(std::move(request), now, sink);
  });
  if (!settled) {
    log_warn("callback not settled",
             {{"job", to_string(delivery.id)}, {"error", settled.error().message}});
  }
}

SettleRequest CallbackSender::deliver(const Delivery& delivery, Line& line) {
  SettleRequest settlement;
  const std::string& url = delivery.callback.url;
  const auto target = http::parse_target(url);
  if (!target) {
    fail(settlement, "CallbackNotAllowed", target.error().message, true);
    return settlement;
  }
  if (is_gone(url)) {
    fail(settlement, "CallbackGone", "the receiver answered 410 less than a day ago", true);
    return settlement;
  }
  const auto now =
      std::chrono::duration_cast<std::chrono::seconds>(clock_.now().wall.time_since_epoch());
  const std::string timestamp = std::to_string(now.count());
  http::Request request{.method = "POST", .target = target->target, .body = delivery.body};
  request.timeout = kExchangeMax;
  request.headers = {{"webhook-id", to_string(delivery.id)}, {"webhook-timestamp", timestamp}};
  if (!delivery.traceparent.empty()) request.headers["traceparent"] = delivery.traceparent;
  if (!delivery.callback.secret_name.empty()) {
    auto signature = this->signature(delivery, timestamp);
    if (!signature) {
      fail(settlement, "CallbackSecretMissing", signature.error().message);
      return settlement;
    }
    request.headers["webhook-signature"] = *std::move(signature);
  }

  http::Client* client = nullptr;
  {
    const std::scoped_lock lock(mutex_);
    client = &line.to(target->origin, options_);
    lines_.insert(&line);
    if (stopped_) line.cancel();
  }
  const auto response = client->send(request);
  const std::scoped_lock lock(mutex_);
  lines_.erase(&line);
  if (response) {
    judge(delivery, *response, settlement);
  } else if (stopped_) {
    settlement.outcome = api::Outcome::kReleased;
  } else if (response.error().code == ErrorCode::kPermissionDenied) {
    fail(settlement, "CallbackNotAllowed", response.error().message, true);
  } else {
    fail(settlement, "CallbackUnreachable", response.error().message);
  }
  return settlement;
}

// Requires mutex_.
void CallbackSender::judge(const Delivery& delivery, const http::Response& response,
                           SettleRequest& settlement) {
  const std::string status = std::to_string(response.status);
  if (response.status >= 200 && response.status < 300) {
    settlement.result_json = "{\"status\":" + status + "}";
    return;
  }
  if (response.status == kStatusGone) {
    note_gone(delivery.callback.url);
    fail(settlement, "CallbackGone", "the receiver answered 410", true);
    return;
  }
  const bool redirects = response.status >= 300 && response.status < 400;
  // Without httpStatus: that would slow down, or end, what goes to other receivers.
  fail(settlement, "HttpStatus",
       "the receiver answered " + status + (redirects ? "; redirects are not followed" : ""));
  const auto wait = response.headers.find("retry-after");
  if (wait == response.headers.end()) return;
  if (const auto seconds = http::parse_retry_after(wait->second, clock_.now().wall)) {
    settlement.retry_after_seconds = std::min(*seconds, kRetryAfterSecondsMax);
  }
}

// The names were checked when the job was enqueued: neither leads out of the folder, and that of a
// namespace has no dot.
Result<std::string> CallbackSender::signature(const Delivery& delivery,
                                              const std::string& timestamp) const {
  const std::string& name = delivery.callback.secret_name;
  const auto missing = [&](const std::string& why) {
    return Error{ErrorCode::kUnavailable, "secret " + name + ": " + why};
  };
  if (options_.secrets_folder.empty()) return missing("the broker has no --callback-secrets");
  http::WatchedFile file(options_.secrets_folder + "/" + delivery.queue.namespace_name + "." +
                         name);
  if (!file.refresh()) return missing("it cannot be read");
  auto signature = webhook_signature(file.text(), to_string(delivery.id), timestamp, delivery.body);
  if (!signature) return missing(signature.error().message);
  return signature;
}

bool CallbackSender::is_gone(const std::string& url) {
  const std::scoped_lock lock(mutex_);
  const auto found = gone_.find(url);
  if (found == gone_.end()) return false;
  if (clock_.now().steady < found->second) return true;
  gone_.erase(found);
  return false;
}

// Requires mutex_.
void CallbackSender::note_gone(const std::string& url) {
  const SteadyPoint now = clock_.now().steady;
  if (gone_.size() >= kGoneUrlsMax) {
    std::erase_if(gone_, [now](const auto& one) { return one.second <= now; });
  }
  if (gone_.size() < kGoneUrlsMax) gone_[url] = now + kGoneFor;
}

}  // namespace sluice::broker
