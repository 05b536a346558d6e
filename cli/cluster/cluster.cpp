#include "cli/cluster/cluster.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "cli/cluster/port_forward.h"
#include "operator/kube/api_error.h"
#include "operator/kube/kube_config.h"
#include "operator/kube/rest_client.h"

namespace sluice::cli {
namespace {

using nlohmann::json;

constexpr int kBrokerPort = 7070;
constexpr int kTokenSeconds = 3'600;
constexpr const char* kAudience = "sluice";
constexpr const char* kMergePatch = "application/merge-patch+json";
constexpr const char* kFieldManager = "kubectl-sluice";
constexpr const char* kGroup = "/apis/sluice.dev/v1alpha1/namespaces/";

// A member of `text` by its path; empty when it is not there.
std::string text_at(const std::string& text, const json::json_pointer& path) {
  const json document = json::parse(text, nullptr, false);
  if (document.is_discarded() || !document.contains(path)) return {};
  const json& value = document.at(path);
  return value.is_string() ? value.get<std::string>() : std::string();
}

}  // namespace

BrokerAccess::BrokerAccess() = default;
BrokerAccess::BrokerAccess(BrokerAccess&&) noexcept = default;
BrokerAccess& BrokerAccess::operator=(BrokerAccess&&) noexcept = default;
BrokerAccess::~BrokerAccess() = default;

Cluster::Cluster(ClusterOptions options, std::string default_namespace,
                 std::unique_ptr<kube::ApiClient> api)
    : options_(std::move(options)),
      default_namespace_(std::move(default_namespace)),
      api_(std::move(api)) {}

Result<Cluster> Cluster::connect(const ClusterOptions& options, const Clock& clock) {
  const auto config = kube::load_kubeconfig(options.kubeconfig, options.context);
  if (!config) return config.error();
  auto api = kube::make_rest_client(*config, {.user_agent = "sluice", .clock = clock});
  if (!api) return std::move(api).error();
  return Cluster(options, config->name_space, *std::move(api));
}

Result<std::string> Cluster::call(const kube::ApiRequest& request, const std::string& doing) {
  auto answer = api_->send(request);
  if (!answer) {
    return Error{answer.error().code, doing + ": " + answer.error().message};
  }
  if (answer->status >= 200 && answer->status < 300) return std::move(answer->body);
  Error error = kube::error_of_answer(*answer);
  error.message = doing + ": " + error.message;
  return error;
}

Result<std::string> Cluster::token(const std::string& namespace_name) {
  const json body = {{"apiVersion", "authentication.k8s.io/v1"},
                     {"kind", "TokenRequest"},
                     {"spec", {{"audiences", {kAudience}}, {"expirationSeconds", kTokenSeconds}}}};
  const auto reply =
      call({.method = "POST",
            .path = "/api/v1/namespaces/" + http::percent_encode(namespace_name) +
                    "/serviceaccounts/" + http::percent_encode(options_.service_account) + "/token",
            .body = body.dump()},
           "token of service account " + namespace_name + "/" + options_.service_account +
               " (--service-account)");
  if (!reply) return reply.error();
  std::string token = text_at(*reply, "/status/token"_json_pointer);
  if (token.empty())
    return Error{ErrorCode::kInternal, "the token request was answered without a token"};
  return token;
}

Result<std::string> Cluster::published_ca(const std::string& namespace_name) {
  for (const std::string& place : {namespace_name, options_.release_namespace}) {
    const auto map = call(
        {.path = "/api/v1/namespaces/" + http::percent_encode(place) + "/configmaps/sluice-ca"},
        "ConfigMap " + place + "/sluice-ca");
    if (map) return text_at(*map, "/data/ca.crt"_json_pointer);
    if (map.error().code != ErrorCode::kNotFound) return map.error();
  }
  return std::string();
}

Result<BrokerAccess> Cluster::reach_broker(const std::string& namespace_name,
                                           const std::optional<http::Url>& server) {
  BrokerAccess access;
  auto bearer = token(namespace_name);
  if (!bearer) return std::move(bearer).error();
  access.options.token = *std::move(bearer);
  auto ca = published_ca(namespace_name);
  if (!ca) return std::move(ca).error();
  access.options.ca_pem = *std::move(ca);
  if (server) {
    access.url = *server;
    return access;
  }
  auto forward = PortForward::open({.kubeconfig = options_.kubeconfig,
                                    .context = options_.context,
                                    .namespace_name = options_.release_namespace,
                                    .service = options_.service,
                                    .port = kBrokerPort});
  if (!forward) return std::move(forward).error();
  access.forward = *std::move(forward);
  access.url = {.scheme = access.options.ca_pem.empty() ? "http" : "https",
                .host = "127.0.0.1",
                .port = std::to_string(access.forward->local_port()),
                .base_path = ""};
  access.options.server_name = options_.service + "." + options_.release_namespace + ".svc";
  return access;
}

Status Cluster::scale(const std::string& namespace_name, const std::string& queue,
                      std::optional<int> replicas) {
  json spec;
  spec["spec"]["replicas"] = replicas ? json(*replicas) : json(nullptr);
  const auto done = call({.method = "PATCH",
                          .path = kGroup + http::percent_encode(namespace_name) + "/queues/" +
                                  http::percent_encode(queue) + "?fieldManager=" + kFieldManager,
                          .body = spec.dump(),
                          .content_type = kMergePatch},
                         "scale queue " + queue);
  if (!done) return done.error();
  return Ok{};
}

Status Cluster::trigger(const std::string& namespace_name, const std::string& schedule,
                        const std::string& token) {
  json object;
  object["metadata"]["annotations"]["sluice.dev/trigger"] = token;
  const auto done = call({.method = "PATCH",
                          .path = kGroup + http::percent_encode(namespace_name) + "/schedules/" +
                                  http::percent_encode(schedule) + "?fieldManager=" + kFieldManager,
                          .body = object.dump(),
                          .content_type = kMergePatch},
                         "trigger schedule " + schedule);
  if (!done) return done.error();
  return Ok{};
}

}  // namespace sluice::cli
