#include "operator/kube/certificate_keeper.h"

#include <sys/mman.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "common/base/log.h"
#include "common/http/client.h"
#include "common/http/watched_file.h"
#include "operator/kube/base64.h"

namespace sluice::kube {
namespace {

using nlohmann::json;

constexpr const char* kApplyType = "application/apply-patch+yaml";  // JSON is YAML

std::vector<std::string> names_of(const CertificateKeeperOptions& options) {
  const std::string& service = options.tls_service;
  if (service.empty()) return {};
  const std::string in_namespace = service + "." + options.namespace_name;
  return {service, in_namespace, in_namespace + ".svc", in_namespace + ".svc.cluster.local"};
}

std::string secrets_path(const std::string& namespace_name) {
  return "/api/v1/namespaces/" + http::percent_encode(namespace_name) + "/secrets";
}

std::string data_at(const json& secret, const char* name) {
  if (!secret.contains("data") || !secret["data"].contains(name)) return {};
  const json& value = secret["data"][name];
  return value.is_string() ? decode_base64(value.get_ref<const std::string&>()).value_or("") : "";
}

}  // namespace

CertificateKeeper::CertificateKeeper(ApiClient& client, op::ObjectStore& store, const Clock& clock,
                                     CertificateKeeperOptions options)
    : store_(store),
      clock_(clock),
      options_(std::move(options)),
      names_(names_of(options_)),
      calls_(client, {}) {
  if (names_.empty()) return;
  ca_fd_ = ::memfd_create("sluice-ca", MFD_CLOEXEC);
  if (ca_fd_ >= 0) ca_path_ = "/proc/self/fd/" + std::to_string(ca_fd_);
}

CertificateKeeper::~CertificateKeeper() {
  stop();
  if (ca_fd_ >= 0) ::close(ca_fd_);
}

void CertificateKeeper::start() {
  watch_ = store_.watch(op::ObjectKind::kQueue, [this](const op::WatchEvent& event) {
    add_namespace(event.object.key.namespace_name);
  });
  thread_ = std::thread([this] { run(); });
}

void CertificateKeeper::stop() {
  {
    const std::lock_guard lock(mutex_);
    is_stopped_ = true;
  }
  changed_.notify_all();
  calls_.end();
  watch_.reset();
  if (thread_.joinable()) thread_.join();
}

void CertificateKeeper::add_namespace(const std::string& namespace_name) {
  {
    const std::lock_guard lock(mutex_);
    if (!namespaces_.insert(namespace_name).second) return;
    unpublished_.insert(namespace_name);
  }
  changed_.notify_all();
}

void CertificateKeeper::run() {
  SteadyPoint look_at = clock_.now().steady;
  SteadyPoint publish_all_at = look_at + options_.publish_again_every;
  for (;;) {
    const SteadyPoint now = clock_.now().steady;
    if (now >= look_at) {
      const auto next = keep_certificates();
      if (!next) log_warn("certificates not kept", {{"error", next.error().message}});
      look_at = now + (next ? options_.look_every : options_.retry_after);
    }
    if (now >= publish_all_at) {
      const std::lock_guard lock(mutex_);
      unpublished_ = namespaces_;
      publish_all_at = now + options_.publish_again_every;
    }
    publish();

    std::unique_lock lock(mutex_);
    const bool has_failed = !unpublished_.empty();
    const SteadyPoint until = has_failed ? std::min(look_at, now + options_.retry_after) : look_at;
    changed_.wait_until(lock, until,
                        [&] { return is_stopped_ || (!has_failed && !unpublished_.empty()); });
    if (is_stopped_) return;
  }
}

// Rotations take several steps, each a write of its own; all that are due are done at once.
Result<TimePoint> CertificateKeeper::keep_certificates() {
  if (names_.empty()) {
    http::WatchedFile file(options_.ca_file);
    if (options_.ca_file.empty()) return clock_.now().wall;
    if (const auto read = file.refresh(); !read) return read.error();
    if (const Status taken = take_ca(file.text()); !taken) return taken.error();
    return clock_.now().wall;
  }
  constexpr int kStepsMax = 4;
  for (int step = 0; step < kStepsMax; ++step) {
    std::string version;
    const auto present = read_secret(version);
    if (!present) return present.error();
    const TimePoint now = clock_.now().wall;
    const op::CertificatePlan plan = op::plan_certificates(*present, names_, now);
    if (plan.step == op::CertificatePlan::Step::kKeep) {
      if (const Status taken = take_ca(present->ca_certificates); !taken) return taken.error();
      return plan.look_again_at;
    }
    const auto files = op::carry_out(plan.step, *present, names_, now);
    if (!files) return files.error();
    const Status written = write_secret(*files, version);
    // Another leader's write is as good as ours.
    if (!written && written.error().code != ErrorCode::kConflict) return written.error();
    if (written) log_info("certificates written", {{"why", plan.reason}});
  }
  return Error{ErrorCode::kConflict, "the certificates were changed by others all the time"};
}

Result<op::CertificateFiles> CertificateKeeper::read_secret(std::string& version) {
  const auto reply =
      calls_.call({.path = secrets_path(options_.namespace_name) + "/" + kTlsSecret});
  if (!reply && reply.error().code == ErrorCode::kNotFound) return op::CertificateFiles{};
  if (!reply) return reply.error();
  const json secret = json::parse(*reply, nullptr, false);
  if (!secret.is_object())
    return Error{ErrorCode::kInternal, "the API server's answer is no Secret"};
  version = secret.value("/metadata/resourceVersion"_json_pointer, "");
  return op::CertificateFiles{.ca_certificates = data_at(secret, "ca.crt"),
                              .ca_key = data_at(secret, "ca.key"),
                              .server_certificate = data_at(secret, "tls.crt"),
                              .server_key = data_at(secret, "tls.key")};
}

Status CertificateKeeper::write_secret(const op::CertificateFiles& files,
                                       const std::string& version) {
  json secret = {{"apiVersion", "v1"},
                 {"kind", "Secret"},
                 {"type", "Opaque"},
                 {"metadata",
                  {{"name", kTlsSecret},
                   {"namespace", options_.namespace_name},
                   {"labels",
                    {{"app.kubernetes.io/name", "sluice"},
                     {"app.kubernetes.io/managed-by", op::kFieldManager}}}}},
                 {"data",
                  {{"ca.crt", encode_base64(files.ca_certificates)},
                   {"ca.key", encode_base64(files.ca_key)},
                   {"tls.crt", encode_base64(files.server_certificate)},
                   {"tls.key", encode_base64(files.server_key)}}}};
  const bool is_new = version.empty();
  if (!is_new) secret["metadata"]["resourceVersion"] = version;
  const std::string manager = std::string("?fieldManager=") + op::kFieldManager;
  const std::string path = secrets_path(options_.namespace_name);
  const auto reply = calls_.call({.method = is_new ? "POST" : "PUT",
                                  .path = (is_new ? path : path + "/" + kTlsSecret) + manager,
                                  .body = secret.dump()});
  if (!reply) return reply.error();
  return Ok{};
}

Status CertificateKeeper::take_ca(const std::string& ca) {
  if (ca == ca_) return Ok{};
  if (ca_fd_ >= 0) {
    const bool written =
        ::pwrite(ca_fd_, ca.data(), ca.size(), 0) == static_cast<ssize_t>(ca.size()) &&
        ::ftruncate(ca_fd_, static_cast<off_t>(ca.size())) == 0;
    if (!written) return Error{ErrorCode::kUnavailable, "the CA could not be kept in memory"};
  }
  ca_ = ca;
  const std::lock_guard lock(mutex_);
  unpublished_ = namespaces_;
  return Ok{};
}

void CertificateKeeper::publish() {
  if (ca_.empty()) return;
  std::set<std::string> due;
  {
    const std::lock_guard lock(mutex_);
    due.swap(unpublished_);
  }
  for (const std::string& namespace_name : due) {
    const Status published = publish_to(namespace_name);
    if (published) continue;
    const std::lock_guard lock(mutex_);
    // A namespace that is gone, or on its way, needs none.
    if (published.error().code == ErrorCode::kNotFound) {
      namespaces_.erase(namespace_name);
      continue;
    }
    log_warn("CA not published",
             {{"namespace", namespace_name}, {"error", published.error().message}});
    unpublished_.insert(namespace_name);
  }
}

Status CertificateKeeper::publish_to(const std::string& namespace_name) {
  const json map = {{"apiVersion", "v1"},
                    {"kind", "ConfigMap"},
                    {"metadata",
                     {{"name", kCaConfigMap},
                      {"namespace", namespace_name},
                      {"labels",
                       {{"app.kubernetes.io/name", "sluice"},
                        {"app.kubernetes.io/managed-by", op::kFieldManager}}}}},
                    {"data", {{"ca.crt", ca_}}}};
  const auto reply = calls_.call(
      {.method = "PATCH",
       .path = "/api/v1/namespaces/" + http::percent_encode(namespace_name) + "/configmaps/" +
               kCaConfigMap + "?force=true&fieldManager=" + op::kFieldManager,
       .body = map.dump(),
       .content_type = kApplyType});
  if (!reply) return reply.error();
  return Ok{};
}

}  // namespace sluice::kube
