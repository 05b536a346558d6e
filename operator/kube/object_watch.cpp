#include "operator/kube/object_watch.h"

#include <malloc.h>

#include <utility>

#include "common/base/log.h"
#include "common/http/client.h"
#include "operator/controller/object_cache.h"
#include "operator/controller/pod_builder.h"
#include "operator/kube/api_error.h"
#include "operator/kube/object_codec.h"
#include "operator/kube/resource_path.h"

namespace sluice::kube {
namespace {

using op::EventType;
using op::ObjectKind;

constexpr Duration kListTimeout = std::chrono::seconds{60};

// Foreign pods cost nothing: the server leaves them out.
std::string selector(ObjectKind kind) {
  if (kind != ObjectKind::kPod) return {};
  return "&labelSelector=" + http::percent_encode(op::kQueueLabel);
}

EventType event_type(WatchLine::Type type) {
  switch (type) {
    case WatchLine::Type::kAdded:
      return EventType::kAdded;
    case WatchLine::Type::kDeleted:
      return EventType::kDeleted;
    default:
      return EventType::kModified;
  }
}

std::string explain(const Error& error, ObjectKind kind) {
  if (error.code == ErrorCode::kNotFound && kind != ObjectKind::kPod) {
    return "the custom resource definitions of sluice.dev are not installed: " + error.message;
  }
  return error.message;
}

}  // namespace

ObjectWatch::ObjectWatch(std::unique_ptr<ApiClient> client, const Clock& clock, ObjectKind kind,
                         std::string namespace_name, WatchOptions options, Listener listener)
    : client_(std::move(client)),
      clock_(clock),
      kind_(kind),
      namespace_name_(std::move(namespace_name)),
      options_(options),
      listener_(std::move(listener)),
      calls_(*client_, {.jitter_seed = options.jitter_seed}),
      backoff_(options.retry_min, options.retry_max, options.jitter_seed),
      index_(kind),
      thread_([this] { run(); }) {}

ObjectWatch::~ObjectWatch() {
  pause_.end();
  calls_.end();
  client_->cancel();
  thread_.join();
}

void ObjectWatch::run() {
  while (!pause_.is_ended()) {
    has_progressed_ = false;
    const bool is_list = must_list_;
    const SteadyPoint began = clock_.now().steady;
    const Status ended = is_list ? list() : follow();
    if (!recover(ended, is_list, clock_.now().steady - began)) return;
  }
}

Status ObjectWatch::list() {
  const Status listed = list_pages();
  if (!listed) {
    // The pages so far are told; which objects are gone shows when a list gets through.
    if (is_expired(listed.error())) is_paged_ = false;
    return listed;
  }
  must_list_ = false;
  is_paged_ = true;
  malloc_trim(0);  // what parsing the pages took, several times what is kept of them
  note_progress();
  if (!is_synced_) {
    is_synced_ = true;
    listener_.on_synced();
  }
  return Ok{};
}

Status ObjectWatch::list_pages() {
  std::string list_version;
  std::string next;
  do {
    std::string path = collection_path(kind_, namespace_name_) +
                       "?limit=" + std::to_string(is_paged_ ? options_.page_size : 0) +
                       selector(kind_);
    if (!next.empty()) path += "&continue=" + http::percent_encode(next);
    auto body = calls_.call({.path = std::move(path), .timeout = kListTimeout});
    if (!body) return body.error();
    auto page = decode_page(kind_, *body);
    if (!page) return page.error();
    *body = {};

    if (list_version.empty()) {
      list_version = page->resource_version;
      const bool is_stale = op::is_older_version(list_version, version_);
      if (is_stale && ++stale_lists_ < kStaleListsMax) {
        return Error{ErrorCode::kUnavailable, "the API server's list is older than its watch was"};
      }
      index_.begin_list(is_stale);
      stale_lists_ = 0;
    }
    for (op::Object& object : page->objects) {
      if (pause_.is_ended()) return Error{ErrorCode::kUnavailable, "the watch was ended"};
      index_.listed(std::move(object), listener_.on_event);
    }
    next = std::move(page->next);
  } while (!next.empty());
  index_.end_list(list_version, listener_.on_event);
  version_ = std::move(list_version);
  return Ok{};
}

Status ObjectWatch::follow() {
  const auto session = options_.session + options_.session / 2 * backoff_.percent() / 100;
  const ApiRequest request{.path = collection_path(kind_, namespace_name_) +
                                   "?watch=1&allowWatchBookmarks=true&timeoutSeconds=" +
                                   std::to_string(session.count()) + "&resourceVersion=" +
                                   http::percent_encode(version_) + selector(kind_)};
  std::optional<Error> error;
  const Status ended = client_->stream_lines(
      request, options_.idle, [&](std::string_view line) { return take_line(line, error); });
  if (error) return *std::move(error);
  return ended;
}

bool ObjectWatch::take_line(std::string_view text, std::optional<Error>& error) {
  if (pause_.is_ended()) return false;
  if (text.empty()) return true;
  WatchLine line = decode_watch_line(kind_, text);
  if (line.type == WatchLine::Type::kError) {
    error = std::move(line.error);
    return false;
  }
  note_progress();
  if (!op::is_older_version(line.object.resource_version, version_)) {
    version_ = line.object.resource_version;
  }
  if (line.type != WatchLine::Type::kBookmark) {
    index_.changed({event_type(line.type), std::move(line.object)}, listener_.on_event);
  }
  return true;
}

bool ObjectWatch::recover(const Status& ended, bool was_list, Duration took) {
  if (pause_.is_ended()) return false;
  if (!ended) {
    const Error& error = ended.error();
    if (is_expired(error) || is_version_ahead(error)) must_list_ = true;
    note_trouble(error);
  }
  // Only a watch shows that all is well: a list may succeed for ever while each watch is refused.
  if (was_list) return ended || pause_.wait(backoff_.next());
  if (has_progressed_ || took >= options_.retry_max) {
    backoff_.reset();
    if (ended) return true;
  }
  return pause_.wait(backoff_.next());
}

// Once for each kind of trouble, however often it is tried again. What happens to every watch, an
// end or an expired version, is no trouble.
void ObjectWatch::note_trouble(const Error& error) {
  if (is_expired(error) || error.code == ErrorCode::kDeadlineExceeded) return;
  if (trouble_ == error.code || (has_progressed_ && error.code == ErrorCode::kUnavailable)) return;
  trouble_ = error.code;
  log_warn("cannot watch", {{"kind", kind_name(kind_)},
                            {"namespace", namespace_name_},
                            {"code", to_string(error.code)},
                            {"error", explain(error, kind_)}});
}

void ObjectWatch::note_progress() {
  has_progressed_ = true;
  if (!trouble_) return;
  trouble_.reset();
  log_info("watching again", {{"kind", kind_name(kind_)}, {"namespace", namespace_name_}});
}

}  // namespace sluice::kube
