// Who may make which call: the one table of it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "broker/server/router.h"
#include "common/base/result.h"

namespace sluice::broker {

// What RBAC grants, in the API group sluice.dev.
struct Right {
  std::string_view verb;
  std::string_view resource;  // "queues/jobs": the part behind the slash is the subresource
};
inline constexpr std::string_view kAccessGroup = "sluice.dev";

enum class Access {
  kAnybody,        // says nothing about jobs
  kWorkerOrRight,  // the token of a worker of this very queue, or the right
  kRight,
};

struct AccessRule {
  Route route;
  Access access;
  Right right;  // not of kAnybody
};
const AccessRule& access_rule(Route route);

// What enqueueing takes beside `create queues/jobs` when a job names its id, source or schedule.
inline constexpr Right kConfigRight = {"update", "queues/config"};

// The audience of everybody, and of the workers of one queue.
inline constexpr std::string_view kAudience = "sluice";
std::string worker_audience(const QueueName& queue);

// Who a token belongs to, as the token review says.
struct Identity {
  std::string user;
  std::string uid;
  std::vector<std::string> groups;
  std::string extra_json;  // an object, handed on as it came; or empty
  std::vector<std::string> audiences;

  bool has_audience(std::string_view audience) const;
};

// Whether the holder is a worker of the queue: its token says so, and its service account lives in
// the queue's namespace. Whoever may make tokens elsewhere cannot make one for here.
bool is_worker_of(const Identity& identity, const QueueName& queue);

// The namespaces that a call without a queue is limited to (`namespaces=a,b`); empty: all of them.
// kInvalidArgument for what cannot be names.
Result<std::vector<std::string>> namespaces_of(std::string_view target);
bool is_within(const std::vector<std::string>& namespaces, std::string_view namespace_name);

// "needs verb update on queues/dead (sluice.dev) in namespace shop"
std::string describe_lack(const Right& right, std::string_view namespace_name);

}  // namespace sluice::broker
