#include "broker/server/access_rules.h"

#include <algorithm>
#include <array>

#include "broker/server/limits.h"
#include "common/api/decode.h"
#include "common/base/check.h"

namespace sluice::broker {
namespace {

// The rest of the service account's name is its own.
constexpr std::string_view kServiceAccount = "system:serviceaccount:";
constexpr std::string_view kNamespaces = "namespaces=";

constexpr std::array<AccessRule, kRoutes> kRules = {{
    {Route::kClaim, Access::kWorkerOrRight, {"update", "queues/leases"}},
    {Route::kSettle, Access::kWorkerOrRight, {"update", "queues/leases"}},
    {Route::kEnqueue, Access::kRight, {"create", "queues/jobs"}},
    {Route::kExtend, Access::kWorkerOrRight, {"update", "queues/leases"}},
    {Route::kEnqueueBatch, Access::kRight, {"create", "queues/jobs"}},
    {Route::kGetJob, Access::kRight, {"get", "queues/jobs"}},
    {Route::kListJobs, Access::kRight, {"list", "queues/jobs"}},
    {Route::kEvents, Access::kRight, {"list", "queues/jobs"}},
    {Route::kCancelJob, Access::kRight, {"delete", "queues/jobs"}},
    {Route::kRunJob, Access::kRight, {"update", "queues/jobs"}},
    {Route::kReschedule, Access::kRight, {"update", "queues/jobs"}},
    {Route::kCancelJobs, Access::kRight, {"delete", "queues/jobs"}},
    {Route::kAcknowledge, Access::kRight, kConfigRight},
    {Route::kPutQueue, Access::kRight, kConfigRight},
    {Route::kGetQueue, Access::kRight, {"list", "queues"}},
    {Route::kDeleteQueue, Access::kRight, kConfigRight},
    {Route::kPause, Access::kRight, {"update", "queues/pause"}},
    {Route::kResume, Access::kRight, {"update", "queues/pause"}},
    {Route::kDrainWorker, Access::kRight, {"update", "queues/workers"}},
    {Route::kUndrainWorker, Access::kRight, {"update", "queues/workers"}},
    {Route::kWorkerGone, Access::kRight, {"update", "queues/workers"}},
    {Route::kRedrive, Access::kRight, {"update", "queues/dead"}},
    {Route::kGetRedrive, Access::kRight, {"update", "queues/dead"}},
    {Route::kCancelRedrive, Access::kRight, {"update", "queues/dead"}},
    {Route::kPurge, Access::kRight, {"update", "queues/dead"}},
    {Route::kGetGroup, Access::kRight, {"get", "queues/jobs"}},
    {Route::kGetSchedule, Access::kRight, kConfigRight},
    {Route::kListQueues, Access::kRight, {"list", "queues"}},
    {Route::kOutcomes, Access::kRight, kConfigRight},
    {Route::kSignals, Access::kRight, {"list", "queues"}},
    {Route::kCreateBackup, Access::kRight, {"create", "backups"}},
    {Route::kListBackups, Access::kRight, {"list", "backups"}},
    {Route::kDeleteBackup, Access::kRight, {"delete", "backups"}},
    {Route::kHealthz, Access::kAnybody, {}},
    {Route::kReadyz, Access::kAnybody, {}},
    {Route::kMetrics, Access::kAnybody, {}},
    {Route::kOpenApi, Access::kAnybody, {}},
}};

}  // namespace

const AccessRule& access_rule(Route route) {
  const AccessRule& found = kRules[static_cast<std::size_t>(route)];
  CHECK(found.route == route);
  return found;
}

std::string worker_audience(const QueueName& queue) {
  return std::string(kAudience).append(":") + queue.namespace_name + "/" + queue.name;
}

bool Identity::has_audience(std::string_view audience) const {
  return std::find(audiences.begin(), audiences.end(), audience) != audiences.end();
}

bool is_worker_of(const Identity& identity, const QueueName& queue) {
  const std::string account = std::string(kServiceAccount) + queue.namespace_name + ":";
  return identity.has_audience(worker_audience(queue)) && identity.user.starts_with(account);
}

Result<std::vector<std::string>> namespaces_of(std::string_view target) {
  std::vector<std::string> names;
  const std::size_t mark = target.find('?');
  std::string_view query = mark == std::string_view::npos ? "" : target.substr(mark + 1);
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    std::string_view one = query.substr(0, end);
    query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
    if (!one.starts_with(kNamespaces)) continue;
    auto decoded = percent_decode(one.substr(kNamespaces.size()));
    std::string_view list = decoded ? *decoded : std::string_view{};
    for (bool more = true; more;) {
      const std::size_t comma = list.find(',');
      names.emplace_back(list.substr(0, comma));
      more = comma != std::string_view::npos;
      list.remove_prefix(more ? comma + 1 : list.size());
      if (!api::is_dns_label(names.back()) || names.size() > limits::kNamespacesMax) {
        return Error{ErrorCode::kInvalidArgument,
                     "namespaces: must be at most " + std::to_string(limits::kNamespacesMax) +
                         " names of namespaces with commas between them",
                     "namespaces"};
      }
    }
  }
  return names;
}

bool is_within(const std::vector<std::string>& namespaces, std::string_view namespace_name) {
  return namespaces.empty() ||
         std::find(namespaces.begin(), namespaces.end(), namespace_name) != namespaces.end();
}

std::string describe_lack(const Right& right, std::string_view namespace_name) {
  std::string text = "needs verb ";
  text.append(right.verb).append(" on ").append(right.resource);
  text.append(" (").append(kAccessGroup).append(") in ");
  if (namespace_name.empty()) return text.append("all namespaces");
  return text.append("namespace ").append(namespace_name);
}

}  // namespace sluice::broker
