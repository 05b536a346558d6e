// BrokerApi over HTTP.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/http/client.h"
#include "operator/controller/broker_api.h"

namespace sluice::op {

// Speaks the calls of docs/api.md with `Sluice-Protocol: 1`. Threads: any.
class HttpBrokerApi final : public BrokerApi {
 public:
  // `namespaces`: those that the queues, outcomes and signals are asked of; empty: all, which takes
  // the rights in all of them.
  explicit HttpBrokerApi(http::Url url, http::ClientOptions options = {},
                         const std::vector<std::string>& namespaces = {});

  Status put_queue(const QueueRef& queue, const std::string& spec_json, const std::string& uid,
                   std::int64_t generation) override;
  Status delete_queue(const QueueRef& queue, const std::string& uid, bool purge) override;
  Result<std::optional<BrokerQueue>> get_queue(const QueueRef& queue) override;
  Result<std::vector<std::pair<QueueRef, BrokerQueue>>> list_queues() override;
  Result<EnqueueResult> enqueue(const QueueRef& queue, const std::string& body_json) override;
  Result<std::optional<BrokerJob>> get_job(const QueueRef& queue, const std::string& id) override;
  Status cancel_job(const QueueRef& queue, const std::string& id) override;
  Status acknowledge(const QueueRef& queue, const std::vector<std::string>& ids) override;
  Result<OutcomesPage> outcomes(const std::string& cursor, int wait_seconds) override;
  Result<BrokerSchedule> schedule(const QueueRef& queue, const std::string& schedule_uid) override;
  Status drain_worker(const QueueRef& queue, const std::string& worker, const std::string& instance,
                      bool drain) override;
  Status worker_gone(const QueueRef& queue, const std::string& worker, const std::string& instance,
                     const std::string& cause) override;
  Status signals(const std::function<void(const api::QueueSignal&)>& on_signal) override;
  void stop() override;

 private:
  // The body of a 2xx answer; otherwise the error of the problem document.
  Result<std::string> call(http::Request request, bool repeatable = true);

  http::Client client_;
  const std::string namespaces_;  // "namespaces=a,b", or empty
};

}  // namespace sluice::op
