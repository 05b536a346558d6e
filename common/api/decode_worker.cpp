#include "common/api/decode_worker.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "common/api/limits.h"

namespace sluice::api {
namespace {

using nlohmann::json;

ExecHandler read_exec(FieldReader& reader) {
  ExecHandler handler;
  reader.require("command");
  reader.each("command", {1, kCommandItemsMax}, [&](const json& item, const std::string& path) {
    if (auto word = reader.text_at(item, path, {0, kCommandItemCharactersMax})) {
      handler.command.push_back(std::move(*word));
    }
  });
  if (!handler.command.empty() && handler.command.front().empty()) {
    reader.error_at(child_path(child_path(reader.path(), "command"), std::size_t{0}),
                    "must not be empty");
  }
  reader.finish();
  return handler;
}

HttpHandler read_http(FieldReader& reader) {
  HttpHandler handler;
  reader.require("port");
  reader.whole("port", {1, 65'535}, handler.port);
  reader.text("path", {1, kHttpPathCharactersMax}, handler.path);
  if (!handler.path.starts_with('/')) reader.error("path", "must begin with /");
  reader.choice("body", {HttpBody::kPayload, HttpBody::kPayloadAndParents}, handler.body);
  reader.finish();
  return handler;
}

std::variant<ExecHandler, HttpHandler> read_handler(FieldReader& reader) {
  std::variant<ExecHandler, HttpHandler> handler;
  if (reader.has("exec") == reader.has("http")) {
    reader.error_at(reader.path(), "must have exactly one of exec and http");
  }
  if (auto exec = reader.object("exec")) handler = read_exec(*exec);
  if (auto http = reader.object("http")) handler = read_http(*http);
  reader.finish();
  return handler;
}

// "25%" or a number of pods.
void read_int_or_percent(FieldReader& reader, std::string_view name, IntOrPercent& out) {
  const json* const value = reader.member(name);
  if (value == nullptr) return;
  if (value->is_number()) {
    const auto count = value->get<double>();
    if (std::trunc(count) == count && count >= 0 && count <= double{kReplicasMax}) {
      out = {.value = static_cast<int>(count), .percent = false};
      return;
    }
  }
  if (value->is_string()) {
    for (int percent = 0; percent <= 100; ++percent) {
      if (value->get_ref<const std::string&>() != std::to_string(percent) + "%") continue;
      out = {.value = percent, .percent = true};
      return;
    }
  }
  reader.error(name, "must be a whole number between 0 and " + std::to_string(kReplicasMax) +
                         " or a percentage from \"0%\" to \"100%\", not " + show(*value));
}

Rollout read_rollout(FieldReader& reader) {
  Rollout rollout;
  read_int_or_percent(reader, "maxUnavailable", rollout.max_unavailable);
  read_int_or_percent(reader, "maxSurge", rollout.max_surge);
  reader.whole("progressDeadlineSeconds", {1, kDaySeconds}, rollout.progress_deadline_seconds);
  if (rollout.max_unavailable.value == 0 && rollout.max_surge.value == 0) {
    reader.error_at(reader.path(), "must not have both maxUnavailable and maxSurge at 0");
  }
  reader.finish();
  return rollout;
}

// What a schema can know of a pod template: the types of what the rule about the command looks at.
// Every other member is Kubernetes', and is kept as it is.
void read_arguments(FieldReader& container, std::string_view name, bool is_ours) {
  container.each(name, {0, kContainerArgumentsMax}, [&](const json& item, const std::string& path) {
    container.text_at(item, path, {0, kContainerArgumentCharactersMax});
  });
  // The worker takes the place of the image's program, so the user must not ask for another.
  if (is_ours && container.has(name)) {
    container.error(name, "must be absent: handler.exec.command is what runs");
  }
}

void read_template(FieldReader& pod_template, bool is_exec) {
  auto spec = pod_template.object("spec");
  if (!spec) return;
  bool is_first = true;
  spec->each("containers", {0, kContainersMax}, [&](const json& item, const std::string& path) {
    FieldReader container = spec->reader_at(item, path);
    read_arguments(container, "command", is_exec && is_first);
    read_arguments(container, "args", is_exec && is_first);
    is_first = false;
  });
}

}  // namespace

WorkerSpec read_worker_spec(FieldReader& reader) {
  WorkerSpec worker;
  reader.require("handler");
  if (auto handler = reader.object("handler")) worker.handler = read_handler(*handler);
  reader.whole("concurrency", {1, kConcurrencyMax}, worker.concurrency);
  reader.whole("maxJobsPerPod", {0, kJobsPerPodMax}, worker.max_jobs_per_pod);
  if (auto rollout = reader.object("rollout")) worker.rollout = read_rollout(*rollout);

  if (auto pod_template = reader.object("template")) {
    worker.template_json = pod_template->raw().dump();
    read_template(*pod_template, std::holds_alternative<ExecHandler>(worker.handler));
  }
  reader.finish();
  return worker;
}

}  // namespace sluice::api
