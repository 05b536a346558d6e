#include "cli/local/broker_feed.h"

#include <chrono>
#include <utility>

#include "cli/local/idle.h"
#include "common/base/check.h"
#include "operator/controller/http_broker_api.h"

namespace sluice::local {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kReconnectAfter{250};
constexpr milliseconds kIdleCheckEvery{200};

}  // namespace

std::unique_ptr<op::BrokerApi> connect_broker(const std::string& url) {
  auto parsed = http::parse_url(url);
  CHECK(parsed);
  return std::make_unique<op::HttpBrokerApi>(*std::move(parsed));
}

FigureFeed::FigureFeed(const std::string& url,
                       std::function<void(const api::QueueSignal&)> on_signal)
    : broker_(connect_broker(url)), on_signal_(std::move(on_signal)) {
  thread_ = std::thread([this] { run(); });
}

FigureFeed::~FigureFeed() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stop_.notify_all();
  broker_->stop();
  thread_.join();
}

void FigureFeed::run() {
  for (;;) {
    // Why it broke does not matter here: the broker's own supervision reports it.
    static_cast<void>(!broker_->signals(on_signal_));
    std::unique_lock lock(mutex_);
    if (stop_.wait_for(lock, kReconnectAfter, [this] { return stopping_; })) return;
  }
}

IdleWatch::IdleWatch(const std::string& url, op::ObjectStore& store,
                     const op::Controller& controller, std::function<void()> on_idle)
    : broker_(connect_broker(url)),
      store_(store),
      controller_(controller),
      on_idle_(std::move(on_idle)) {
  thread_ = std::thread([this] { run(); });
}

IdleWatch::~IdleWatch() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stop_.notify_all();
  broker_->stop();
  thread_.join();
}

void IdleWatch::run() {
  for (;;) {
    if (is_idle()) return on_idle_();
    std::unique_lock lock(mutex_);
    if (stop_.wait_for(lock, kIdleCheckEvery, [this] { return stopping_; })) return;
  }
}

bool IdleWatch::is_idle() {
  if (!controller_.idle()) return false;
  const auto queues = broker_->list_queues();
  const auto jobs = store_.list(op::ObjectKind::kJob);
  if (!queues || !jobs || work_left(*jobs, *queues)) return false;
  // A reconcile that began meanwhile may have brought new work.
  return controller_.idle();
}

}  // namespace sluice::local
