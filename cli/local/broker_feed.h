// What the broker says of its queues, heard by threads that may wait for it.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "operator/controller/broker_api.h"
#include "operator/controller/controller.h"
#include "operator/controller/object_store.h"

namespace sluice::local {

// Follows the signals, again after every break, until it is destroyed. `on_signal` is called from a
// thread of its own.
class FigureFeed {
 public:
  FigureFeed(const std::string& url, std::function<void(const api::QueueSignal&)> on_signal);
  ~FigureFeed();
  FigureFeed(const FigureFeed&) = delete;
  FigureFeed& operator=(const FigureFeed&) = delete;

 private:
  void run();

  std::unique_ptr<op::BrokerApi> broker_;
  std::function<void(const api::QueueSignal&)> on_signal_;
  std::mutex mutex_;
  std::condition_variable stop_;
  bool stopping_ = false;
  std::thread thread_;
};

// Calls `on_idle` once, from a thread of its own, when everything declared was reconciled and
// work_left() finds nothing.
class IdleWatch {
 public:
  IdleWatch(const std::string& url, op::ObjectStore& store, const op::Controller& controller,
            std::function<void()> on_idle);
  ~IdleWatch();
  IdleWatch(const IdleWatch&) = delete;
  IdleWatch& operator=(const IdleWatch&) = delete;

 private:
  void run();
  bool is_idle();

  std::unique_ptr<op::BrokerApi> broker_;
  op::ObjectStore& store_;
  const op::Controller& controller_;
  std::function<void()> on_idle_;
  std::mutex mutex_;
  std::condition_variable stop_;
  bool stopping_ = false;
  std::thread thread_;
};

// Requires: `url` is one that a broker printed.
std::unique_ptr<op::BrokerApi> connect_broker(const std::string& url);

}  // namespace sluice::local
