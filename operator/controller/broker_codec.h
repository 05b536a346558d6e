// The broker's answers, decoded for the operator.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "operator/controller/broker_api.h"

namespace sluice::op {

// All: kCorruption when `json` is not the documented shape; unknown members are ignored.
Result<std::pair<QueueRef, BrokerQueue>> decode_broker_queue(std::string_view json);
Result<std::vector<std::pair<QueueRef, BrokerQueue>>> decode_broker_queues(std::string_view json);
Result<BrokerJob> decode_broker_job(std::string_view json);
Result<OutcomesPage> decode_outcomes(std::string_view json);
Result<EnqueueResult> decode_enqueue_result(std::string_view json);
Result<BrokerSchedule> decode_broker_schedule(std::string_view json);

std::string encode_put_queue(const std::string& spec_json, const std::string& uid,
                             std::int64_t generation);
std::string encode_ids(const std::vector<std::string>& ids);
// Members without a value are left out.
std::string encode_worker_call(const std::string& instance, const std::string& cause);

}  // namespace sluice::op
