// Which call a method and path name.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/engine/types.h"
#include "broker/server/http_message.h"
#include "common/base/result.h"

namespace sluice::broker {

enum class Route {
  kClaim,
  kSettle,
  kEnqueue,
  kExtend,
  kEnqueueBatch,
  kGetJob,
  kListJobs,
  kEvents,
  kCancelJob,
  kRunJob,
  kReschedule,
  kCancelJobs,
  kAcknowledge,
  kPutQueue,
  kGetQueue,
  kDeleteQueue,
  kPause,
  kResume,
  kDrainWorker,
  kUndrainWorker,
  kWorkerGone,
  kRedrive,
  kGetRedrive,
  kCancelRedrive,
  kPurge,
  kGetGroup,
  kGetSchedule,
  kListQueues,
  kOutcomes,
  kSignals,
  kCreateBackup,
  kListBackups,
  kDeleteBackup,
  kHealthz,
  kReadyz,
  kMetrics,
  kOpenApi,
};
inline constexpr std::size_t kRoutes = static_cast<std::size_t>(Route::kOpenApi) + 1;

// What may stand in a request's body.
enum class BodyRule {
  kNone,      // none is read; one that comes is refused
  kOptional,  // JSON or nothing
  kJson,
};

struct RouteInfo {
  Route route;
  Method method;
  std::string_view pattern;  // "/v1/namespaces/{namespace}/queues/{queue}/jobs:claim"
  BodyRule body;
};

// In the order of the enumeration.
std::span<const RouteInfo> routes();
const RouteInfo& info(Route route);

struct RouteMatch {
  Route route = Route::kHealthz;
  QueueName queue;   // where the path names one
  std::string item;  // {id}, {name} or {uid}, decoded
};

// The query parameters that a call takes; absent where its handler reads them itself, and for
// probes and scrapers, who may send what they like.
std::optional<std::span<const std::string_view>> known_parameters(Route route);

// Whether the call is the broker's alone on the queue that callbacks are delivered from.
bool is_closed_for_callbacks(Route route);

// kNotFound: no such path (or a namespace or queue that cannot be a name). kInvalidArgument: the
// path is not well-formed. A path without that method: `allow` lists the methods it has, and the
// error is kNotFound.
Result<RouteMatch> match_route(Method method, std::string_view path, std::string& allow);

// "%2F" and so on; absent when an escape is malformed or stands for a NUL.
std::optional<std::string> percent_decode(std::string_view text);

// The parameters of a query string, decoded; kInvalidArgument for a malformed, repeated or unknown
// one.
class Query {
 public:
  static Result<Query> parse(std::string_view target, std::span<const std::string_view> known);

  std::optional<std::string> text(std::string_view name) const;
  Result<int> integer(std::string_view name, int low, int high, int otherwise) const;
  Result<bool> flag(std::string_view name) const;

 private:
  std::vector<std::pair<std::string, std::string>> parameters_;
};

}  // namespace sluice::broker
