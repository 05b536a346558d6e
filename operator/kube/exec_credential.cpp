#include "operator/kube/exec_credential.h"
#include "operator/kube/base64.h"

#include <yaml-cpp/yaml.h>

#include <nlohmann/json.hpp>

namespace sluice::kube {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr std::string_view kV1 = "client.authentication.k8s.io/v1";
constexpr std::string_view kV1Beta1 = "client.authentication.k8s.io/v1beta1";
constexpr const char* kClusterConfigExtension = "client.authentication.k8s.io/exec";
constexpr std::size_t kExtensionValuesMax = 1'000;

Error bad(std::string field, std::string why) {
  return {ErrorCode::kInvalidArgument, std::move(why), std::move(field)};
}

json json_of_scalar(const YAML::Node& node) {
  // Only a plain scalar can be anything but a text.
  if (node.Tag() == "?") {
    bool fact = false;
    if (YAML::convert<bool>::decode(node, fact)) return fact;
    std::int64_t whole = 0;
    if (YAML::convert<std::int64_t>::decode(node, whole)) return whole;
    double number = 0;
    if (YAML::convert<double>::decode(node, number)) return number;
  }
  return node.Scalar();
}

// `left` values may come of it: aliases make a small file large, or endless.
json json_of(const YAML::Node& node, std::size_t& left) {
  if (left == 0) return nullptr;
  --left;
  switch (node.Type()) {
    case YAML::NodeType::Scalar:
      return json_of_scalar(node);
    case YAML::NodeType::Sequence: {
      json list = json::array();
      for (const YAML::Node& one : node) {
        if (left > 0) list.push_back(json_of(one, left));
      }
      return list;
    }
    case YAML::NodeType::Map: {
      json map = json::object();
      for (const auto& entry : node) {
        if (left > 0) map[entry.first.Scalar()] = json_of(entry.second, left);
      }
      return map;
    }
    default:
      return nullptr;
  }
}

Result<json> cluster_info(const YAML::Node& cluster, const KubeConfig& config) {
  json info{{"server", config.server}};
  if (!config.tls_server_name.empty()) info["tls-server-name"] = config.tls_server_name;
  if (config.skips_tls_verify) info["insecure-skip-tls-verify"] = true;
  auto ca = config.ca.read();
  if (!ca) return std::move(ca).error();
  if (!ca->empty()) info["certificate-authority-data"] = encode_base64(*ca);
  const YAML::Node extensions = cluster["extensions"];
  if (extensions && extensions.IsSequence()) {
    for (const YAML::Node& one : extensions) {
      if (one.IsMap() && one["name"] && one["name"].IsScalar() &&
          one["name"].Scalar() == kClusterConfigExtension) {
        std::size_t left = kExtensionValuesMax;
        info["config"] = json_of(one["extension"], left);
        if (left == 0) return bad("provideClusterInfo", "the cluster's extension is too large");
      }
    }
  }
  return info;
}

Result<std::string> text_of(const YAML::Node& exec, const char* field) {
  const YAML::Node node = exec[field];
  if (!node || node.IsNull()) return std::string();
  if (!node.IsScalar()) return bad(field, "must be a text");
  return node.Scalar();
}

Status read_args(const YAML::Node& exec, ExecPlugin& plugin) {
  const YAML::Node args = exec["args"];
  if (args && !args.IsNull()) {
    if (!args.IsSequence()) return bad("args", "must be a list of texts");
    for (const YAML::Node& one : args) {
      if (!one.IsScalar()) return bad("args", "must be a list of texts");
      plugin.args.push_back(one.Scalar());
    }
  }
  const YAML::Node env = exec["env"];
  if (env && !env.IsNull()) {
    if (!env.IsSequence()) return bad("env", "must be a list of name and value");
    for (const YAML::Node& one : env) {
      if (!one.IsMap() || !one["name"] || !one["value"] || !one["name"].IsScalar() ||
          !one["value"].IsScalar()) {
        return bad("env", "must be a list of name and value");
      }
      plugin.env.emplace_back(one["name"].Scalar(), one["value"].Scalar());
    }
  }
  return Ok{};
}

Status check_interactive_mode(const YAML::Node& exec, const std::string& api_version) {
  const auto mode = text_of(exec, "interactiveMode");
  if (!mode) return mode.error();
  if (*mode == "Always") {
    return bad("interactiveMode", "Always cannot be met: the plugin would find no terminal here");
  }
  if (mode->empty() && api_version == kV1) {
    return bad("interactiveMode", "must be given with " + api_version + ": Never or IfAvailable");
  }
  if (!mode->empty() && *mode != "Never" && *mode != "IfAvailable") {
    return bad("interactiveMode", "must be Never, IfAvailable or Always");
  }
  return Ok{};
}

}  // namespace

Result<ExecPlugin> read_exec_plugin(const YAML::Node& exec, const YAML::Node& cluster,
                                    const fs::path& file, const KubeConfig& config) {
  if (!exec.IsMap()) return bad("", "must be a map");
  ExecPlugin plugin;
  auto version = text_of(exec, "apiVersion");
  if (!version) return std::move(version).error();
  if (*version != kV1 && *version != kV1Beta1) {
    return bad("apiVersion", "must be " + std::string(kV1) + " or " + std::string(kV1Beta1));
  }
  plugin.api_version = *version;

  auto command = text_of(exec, "command");
  if (!command) return std::move(command).error();
  if (command->empty()) return bad("command", "is missing");
  plugin.command = *command;
  if (command->find('/') != std::string::npos) {
    plugin.command = (fs::absolute(file).parent_path() / *command).lexically_normal().string();
  }
  if (auto s = read_args(exec, plugin); !s) return std::move(s).error();
  if (auto s = check_interactive_mode(exec, plugin.api_version); !s) return std::move(s).error();
  if (auto hint = text_of(exec, "installHint"); hint) plugin.install_hint = *hint;

  json info{{"kind", "ExecCredential"}, {"apiVersion", plugin.api_version}};
  info["spec"]["interactive"] = false;
  bool wants_cluster = false;
  const YAML::Node provide = exec["provideClusterInfo"];
  if (provide && !provide.IsNull() && !YAML::convert<bool>::decode(provide, wants_cluster)) {
    return bad("provideClusterInfo", "must be true or false");
  }
  if (wants_cluster) {
    auto about = cluster_info(cluster, config);
    if (!about) return std::move(about).error();
    info["spec"]["cluster"] = *std::move(about);
  }
  plugin.exec_info = info.dump(-1, ' ', false, json::error_handler_t::replace);  // not all is UTF-8
  return plugin;
}

Result<ExecCredential> parse_exec_credential(std::string_view output,
                                             std::string_view api_version) {
  const auto unusable = [](std::string why) {
    return Error{ErrorCode::kUnauthenticated, "what the plugin printed " + std::move(why)};
  };
  const auto text_in = [](const json& status, const char* key) {
    const auto found = status.find(key);
    return found != status.end() && found->is_string() ? found->get<std::string>() : "";
  };
  const json document = json::parse(output, nullptr, false);
  if (!document.is_object()) return unusable("is not a JSON object");
  if (text_in(document, "kind") != "ExecCredential") return unusable("is not an ExecCredential");
  if (text_in(document, "apiVersion") != api_version) {
    return unusable("has apiVersion \"" + text_in(document, "apiVersion") + "\" instead of \"" +
                    std::string(api_version) + "\"");
  }
  const auto status = document.find("status");
  if (status == document.end() || !status->is_object()) return unusable("has no status");

  ExecCredential credential;
  credential.token = text_in(*status, "token");
  credential.client_certificate_pem = text_in(*status, "clientCertificateData");
  credential.client_key_pem = text_in(*status, "clientKeyData");
  if (credential.client_certificate_pem.empty() != credential.client_key_pem.empty()) {
    return unusable("has only one of clientCertificateData and clientKeyData");
  }
  if (credential.token.empty() && credential.client_key_pem.empty()) {
    return unusable("has neither a token nor a client certificate");
  }
  const std::string expiry = text_in(*status, "expirationTimestamp");
  if (!expiry.empty()) {
    credential.expires_at = parse_rfc3339(expiry);
    if (!credential.expires_at) return unusable("has an expirationTimestamp that is no time");
  }
  return credential;
}

}  // namespace sluice::kube
