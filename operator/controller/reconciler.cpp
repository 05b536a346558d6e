#include "operator/controller/reconciler.h"

#include <utility>

#include "operator/controller/json_read.h"

namespace sluice::op {

Result<std::optional<Object>> read_live(const ReconcileContext& context, const ObjectKey& key) {
  auto live = context.store.get(key);
  if (live) {
    context.cache.note(*live);
    return std::optional<Object>(*std::move(live));
  }
  if (live.error().code != ErrorCode::kNotFound) return live.error();
  if (const auto cached = context.cache.get(key)) context.cache.note_absent(key, cached->uid);
  return std::optional<Object>();
}

Result<bool> write_status(const ReconcileContext& context, const Object& object,
                          std::string status_json) {
  if (is_same_json(status_json, object.status_json)) return true;
  const auto written =
      context.store.update_status(object.key, object.resource_version, std::move(status_json));
  if (written) {
    context.cache.note(*written);
    return true;
  }
  const ErrorCode code = written.error().code;
  if (code != ErrorCode::kConflict && code != ErrorCode::kNotFound) return written.error();
  const auto live = read_live(context, object.key);
  if (!live) return live.error();
  context.queue.add(object.key);
  return false;
}

}  // namespace sluice::op
