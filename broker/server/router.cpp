#include "broker/server/router.h"

#include <algorithm>
#include <charconv>

#include "broker/server/limits.h"
#include "common/api/decode.h"
#include "common/base/check.h"

namespace sluice::broker {
namespace {

#define SLUICE_QUEUE "/v1/namespaces/{namespace}/queues/{queue}"

constexpr std::array<RouteInfo, kRoutes> kTable = {{
    {Route::kClaim, Method::kPost, SLUICE_QUEUE "/jobs:claim", BodyRule::kJson},
    {Route::kSettle, Method::kPost, SLUICE_QUEUE "/jobs:settle", BodyRule::kJson},
    {Route::kEnqueue, Method::kPost, SLUICE_QUEUE "/jobs", BodyRule::kJson},
    {Route::kExtend, Method::kPost, SLUICE_QUEUE "/jobs:extend", BodyRule::kJson},
    {Route::kEnqueueBatch, Method::kPost, SLUICE_QUEUE "/jobs:batch", BodyRule::kJson},
    {Route::kGetJob, Method::kGet, SLUICE_QUEUE "/jobs/{id}", BodyRule::kNone},
    {Route::kListJobs, Method::kGet, SLUICE_QUEUE "/jobs", BodyRule::kNone},
    {Route::kEvents, Method::kGet, SLUICE_QUEUE "/events", BodyRule::kNone},
    {Route::kCancelJob, Method::kDelete, SLUICE_QUEUE "/jobs/{id}", BodyRule::kNone},
    {Route::kRunJob, Method::kPost, SLUICE_QUEUE "/jobs/{id}:run", BodyRule::kOptional},
    {Route::kReschedule, Method::kPost, SLUICE_QUEUE "/jobs/{id}:reschedule", BodyRule::kJson},
    {Route::kCancelJobs, Method::kPost, SLUICE_QUEUE "/jobs:cancel", BodyRule::kJson},
    {Route::kAcknowledge, Method::kPost, SLUICE_QUEUE "/jobs:ack", BodyRule::kJson},
    {Route::kPutQueue, Method::kPut, SLUICE_QUEUE, BodyRule::kJson},
    {Route::kGetQueue, Method::kGet, SLUICE_QUEUE, BodyRule::kNone},
    {Route::kDeleteQueue, Method::kDelete, SLUICE_QUEUE, BodyRule::kNone},
    {Route::kPause, Method::kPost, SLUICE_QUEUE ":pause", BodyRule::kJson},
    {Route::kResume, Method::kPost, SLUICE_QUEUE ":resume", BodyRule::kOptional},
    {Route::kDrainWorker, Method::kPost, SLUICE_QUEUE "/workers/{name}:drain", BodyRule::kOptional},
    {Route::kUndrainWorker, Method::kPost, SLUICE_QUEUE "/workers/{name}:undrain",
     BodyRule::kOptional},
    {Route::kWorkerGone, Method::kPost, SLUICE_QUEUE "/workers/{name}:gone", BodyRule::kJson},
    {Route::kRedrive, Method::kPost, SLUICE_QUEUE "/dead:redrive", BodyRule::kOptional},
    {Route::kGetRedrive, Method::kGet, SLUICE_QUEUE "/redrives/{id}", BodyRule::kNone},
    {Route::kCancelRedrive, Method::kDelete, SLUICE_QUEUE "/redrives/{id}", BodyRule::kNone},
    {Route::kPurge, Method::kPost, SLUICE_QUEUE "/dead:purge", BodyRule::kOptional},
    {Route::kGetGroup, Method::kGet, SLUICE_QUEUE "/groups/{id}", BodyRule::kNone},
    {Route::kGetSchedule, Method::kGet, SLUICE_QUEUE "/schedules/{uid}", BodyRule::kNone},
    {Route::kListQueues, Method::kGet, "/v1/queues", BodyRule::kNone},
    {Route::kOutcomes, Method::kGet, "/v1/outcomes", BodyRule::kNone},
    {Route::kSignals, Method::kGet, "/v1/signals", BodyRule::kNone},
    {Route::kCreateBackup, Method::kPost, "/v1/backups", BodyRule::kOptional},
    {Route::kListBackups, Method::kGet, "/v1/backups", BodyRule::kNone},
    {Route::kDeleteBackup, Method::kDelete, "/v1/backups/{name}", BodyRule::kNone},
    {Route::kHealthz, Method::kGet, "/healthz", BodyRule::kNone},
    {Route::kReadyz, Method::kGet, "/readyz", BodyRule::kNone},
    {Route::kMetrics, Method::kGet, "/metrics", BodyRule::kNone},
    {Route::kOpenApi, Method::kGet, "/openapi.json", BodyRule::kNone},
}};

#undef SLUICE_QUEUE

constexpr std::string_view kPrefix = "/v1/namespaces/";
constexpr std::string_view kBackups = "/v1/backups/";
constexpr std::string_view kQueuePattern = "/v1/namespaces/{namespace}/queues/{queue}";

std::string_view take_segment(std::string_view& path) {
  const std::size_t slash = path.find('/');
  const std::string_view segment = path.substr(0, slash);
  path.remove_prefix(slash == std::string_view::npos ? path.size() : slash);
  return segment;
}

// Cuts ":verb" off the end; names of queues and jobs hold no colon, those of workers may.
std::string_view take_verb(std::string_view& segment) {
  const std::size_t colon = segment.rfind(':');
  if (colon == std::string_view::npos) return {};
  const std::string_view verb = segment.substr(colon);
  segment.remove_suffix(verb.size());
  return verb;
}

Error not_found() {
  return {ErrorCode::kNotFound, "there is no such path"};
}

// A path in the words of the table: kQueuePattern if `of_queue`, then `rest`, then `verb`.
struct Normal {
  bool of_queue = false;
  std::string_view rest;  // "/jobs:claim", "/jobs/{id}"; any other path as it came
  std::string_view verb;  // ":drain"

  bool matches(std::string_view pattern) const {
    const auto take = [&pattern](std::string_view part) {
      const bool same = pattern.starts_with(part);
      if (same) pattern.remove_prefix(part.size());
      return same;
    };
    return (!of_queue || take(kQueuePattern)) && take(rest) && take(verb) && pattern.empty();
  }
};

// What follows the queue: "/jobs/{id}", "/workers/{name}:drain".
Status normalize_rest(std::string_view path, Normal& normal, std::string& item) {
  constexpr std::string_view kItems[] = {"/jobs/{id}", "/workers/{name}", "/schedules/{uid}",
                                         "/redrives/{id}", "/groups/{id}"};
  normal.rest = path;
  const std::size_t slash = path.find('/', 1);
  if (slash == std::string_view::npos) return Ok{};
  const std::string_view collection = path.substr(0, slash + 1);
  std::string_view segment = path.substr(slash + 1);
  if (segment.empty() || segment.find('/') != std::string_view::npos) return not_found();
  for (const std::string_view pattern : kItems) {
    if (!pattern.starts_with(collection)) continue;
    if (collection == "/workers/" || collection == "/jobs/") normal.verb = take_verb(segment);
    auto decoded = percent_decode(segment);
    if (!decoded || decoded->empty() || decoded->size() > limits::kNameBytesMax) {
      return Error{ErrorCode::kInvalidArgument, "the path holds a malformed name"};
    }
    item = *std::move(decoded);
    normal.rest = pattern;
    return Ok{};
  }
  return not_found();
}

// Reads namespace and queue.
Status normalize_queue_path(std::string_view path, Normal& normal, RouteMatch& match) {
  normal = {.of_queue = true};
  path.remove_prefix(kPrefix.size());
  auto namespace_name = percent_decode(take_segment(path));
  if (!path.starts_with("/queues/")) return not_found();
  path.remove_prefix(std::string_view{"/queues/"}.size());
  std::string_view segment = take_segment(path);
  normal.verb = take_verb(segment);
  auto queue = percent_decode(segment);
  if (!namespace_name || !queue || !api::is_dns_label(*namespace_name) ||
      !api::is_dns_label(*queue, api::kQueueNameMax)) {
    return Error{ErrorCode::kNotFound, "the path's namespace or queue cannot be a name"};
  }
  match.queue = {*std::move(namespace_name), *std::move(queue)};
  if (path.empty()) return Ok{};
  if (!normal.verb.empty()) return not_found();
  return normalize_rest(path, normal, match.item);
}

// Reads the name of a backup.
Status normalize_backup_path(std::string_view path, Normal& normal, RouteMatch& match) {
  path.remove_prefix(kBackups.size());
  auto name = percent_decode(path);
  if (!name || name->empty() || name->find('/') != std::string::npos) return not_found();
  match.item = *std::move(name);
  normal.rest = "/v1/backups/{name}";
  return Ok{};
}

Error bad_parameter(std::string_view name, std::string_view what) {
  return {ErrorCode::kInvalidArgument, std::string{name}.append(": ").append(what),
          std::string{name}};
}

}  // namespace

std::string_view to_string(Method method) {
  switch (method) {
    case Method::kGet:
      return "GET";
    case Method::kPost:
      return "POST";
    case Method::kPut:
      return "PUT";
    case Method::kDelete:
      return "DELETE";
    case Method::kOther:
      break;
  }
  return "OTHER";
}

std::span<const RouteInfo> routes() {
  return kTable;
}

const RouteInfo& info(Route route) {
  const RouteInfo& found = kTable[static_cast<std::size_t>(route)];
  CHECK(found.route == route);
  return found;
}

std::optional<std::span<const std::string_view>> known_parameters(Route route) {
  static constexpr std::string_view kNamespaces[] = {"namespaces"};
  switch (route) {
    case Route::kGetJob:
    case Route::kListJobs:
    case Route::kDeleteQueue:
    case Route::kOutcomes:
    case Route::kHealthz:
    case Route::kReadyz:
    case Route::kMetrics:
    case Route::kOpenApi:
      return std::nullopt;
    case Route::kListQueues:
    case Route::kSignals:
      return kNamespaces;
    default:
      return std::span<const std::string_view>{};
  }
}

bool is_closed_for_callbacks(Route route) {
  switch (route) {
    case Route::kClaim:
    case Route::kSettle:
    case Route::kExtend:
    case Route::kEnqueue:
    case Route::kEnqueueBatch:
    case Route::kPutQueue:
    case Route::kDeleteQueue:
    case Route::kDrainWorker:
      return true;
    default:
      return false;
  }
}

Result<RouteMatch> match_route(Method method, std::string_view path, std::string& allow) {
  RouteMatch match;
  Normal normal{.rest = path};
  if (path.starts_with(kPrefix)) {
    if (auto status = normalize_queue_path(path, normal, match); !status) {
      return std::move(status).error();
    }
  }
  if (path.starts_with(kBackups)) {
    if (auto status = normalize_backup_path(path, normal, match); !status) {
      return std::move(status).error();
    }
  }
  allow.clear();
  for (const RouteInfo& route : kTable) {
    if (!normal.matches(route.pattern)) continue;
    if (route.method == method) {
      match.route = route.route;
      return match;
    }
    if (!allow.empty()) allow += ", ";
    allow += to_string(route.method);
  }
  return not_found();
}

std::optional<std::string> percent_decode(std::string_view text) {
  if (text.find('%') == std::string_view::npos) return std::string{text};
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i]);
      continue;
    }
    unsigned value = 0;
    const std::string_view digits = text.substr(i + 1, 2);
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (digits.size() != 2 || error != std::errc{} || end != digits.data() + 2 || value == 0) {
      return {};
    }
    out.push_back(static_cast<char>(value));
    i += 2;
  }
  return out;
}

Result<Query> Query::parse(std::string_view target, std::span<const std::string_view> known) {
  Query query;
  const std::size_t mark = target.find('?');
  std::string_view rest = mark == std::string_view::npos ? "" : target.substr(mark + 1);
  while (!rest.empty()) {
    const std::size_t end = rest.find('&');
    const std::string_view one = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    if (one.empty()) continue;
    const std::size_t equals = one.find('=');
    const auto name = percent_decode(one.substr(0, equals));
    const auto value =
        percent_decode(equals == std::string_view::npos ? "" : one.substr(equals + 1));
    if (!name || !value) return Error{ErrorCode::kInvalidArgument, "the query is malformed"};
    if (std::find(known.begin(), known.end(), *name) == known.end()) {
      return bad_parameter(*name, "is not a parameter of this call");
    }
    if (query.text(*name)) return bad_parameter(*name, "is given twice");
    query.parameters_.emplace_back(*name, *value);
  }
  return query;
}

std::optional<std::string> Query::text(std::string_view name) const {
  for (const auto& [key, value] : parameters_) {
    if (key == name) return value;
  }
  return {};
}

Result<int> Query::integer(std::string_view name, int low, int high, int otherwise) const {
  const auto given = text(name);
  if (!given) return otherwise;
  int value = 0;
  const char* end = given->data() + given->size();
  const auto [stop, error] = std::from_chars(given->data(), end, value);
  if (error != std::errc{} || stop != end || value < low || value > high) {
    return bad_parameter(name, "must be a whole number between " + std::to_string(low) + " and " +
                                   std::to_string(high));
  }
  return value;
}

Result<bool> Query::flag(std::string_view name) const {
  const auto given = text(name);
  if (!given || *given == "false") return false;
  if (*given == "true") return true;
  return bad_parameter(name, "must be true or false");
}

}  // namespace sluice::broker
