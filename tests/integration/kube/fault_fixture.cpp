#include "tests/integration/kube/fault_fixture.h"

#include <signal.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <utility>

#include "tests/integration/kube/proxy_target.h"
#include "tests/support/environment.h"
#include "tests/support/eventually.h"

namespace sluice::testing {
namespace {

constexpr const char* kMergePatch = "application/merge-patch+json";

Json kubeconfig_of(const OperatorProcess::Setup& setup) {
  Json user = Json::object();
  if (!setup.token_file.empty()) user["tokenFile"] = setup.token_file;
  return {{"apiVersion", "v1"},
          {"kind", "Config"},
          {"current-context", "proxy"},
          {"clusters", {{{"name", "proxy"}, {"cluster", {{"server", setup.kube_url}}}}}},
          {"users", {{{"name", "operator"}, {"user", user}}}},
          {"contexts",
           {{{"name", "proxy"}, {"context", {{"cluster", "proxy"}, {"user", "operator"}}}}}}};
}

Json parsed(const std::string& text) {
  Json value = Json::parse(text, nullptr, false);
  return value.is_discarded() ? Json() : value;
}

}  // namespace

OperatorProcess::OperatorProcess(Setup setup) : setup_(std::move(setup)) {
  std::ofstream(folder_.path() / "config") << kubeconfig_of(setup_).dump();
  start();
}

void OperatorProcess::start() {
  process_.emplace(ChildProcess::Start{
      .argv = {program_path("sluice-operator").string(), "--broker", setup_.broker_url,
               "--kubeconfig", (folder_.path() / "config").string(), "--namespace",
               setup_.namespace_name, "--watch-namespace", setup_.namespace_name, "--listen",
               "127.0.0.1:0", "--leader-elect", setup_.is_leader_elect ? "true" : "false"}});
  pid_ = process_->pid();
  if (process_->wait_for_line("ready").empty()) {
    std::fprintf(stderr, "the operator does not start\n%s", process_->report().c_str());
    std::abort();
  }
}

bool OperatorProcess::revive() {
  if (process_->is_running()) return false;
  pid_ = 0;
  start();
  return true;
}

std::optional<ProcessEnd> OperatorProcess::terminate() {
  process_->signal(SIGTERM);
  return process_->wait();
}

void OperatorProcess::kill9_now() const {
  if (const pid_t pid = pid_; pid > 0) ::kill(pid, SIGKILL);
}

FaultScene::FaultScene(Cluster& cluster, const std::string& broker_url,
                       const std::optional<ProxyTarget>& target)
    : cluster_(cluster),
      broker_url_(broker_url),
      namespace_(cluster),
      proxy_(target ? *target : proxy_target_of(cluster.config())),
      broker_(broker_url),
      client_(cluster.make_client()) {}

std::string FaultScene::path(const std::string& plural, const std::string& name) const {
  const std::string all = "/apis/sluice.dev/v1alpha1/namespaces/" + ns() + "/" + plural;
  return name.empty() ? all : all + "/" + name;
}

std::string FaultScene::pods_path(const std::string& name) const {
  const std::string all = "/api/v1/namespaces/" + ns() + "/pods";
  return name.empty() ? all : all + "/" + name;
}

std::string FaultScene::broker_path(std::string_view below) const {
  return "/v1/namespaces/" + ns() + "/queues/q" + std::string(below);
}

void FaultScene::make(const std::string& plural, const Json& object) {
  Json whole = object;
  whole["apiVersion"] = "sluice.dev/v1alpha1";
  whole["kind"] = plural == "queues" ? "Queue" : plural == "jobs" ? "Job" : "Schedule";
  cluster_.call({.method = "POST", .path = path(plural), .body = whole.dump()});
}

void FaultScene::make_queue(int pods) {
  Json spec = {{"deletionPolicy", "Purge"}};
  if (pods > 0) {
    spec["scaling"] = {{"minReplicas", pods}, {"maxReplicas", pods}, {"backlogPerWorker", 1}};
    spec["worker"] = {
        {"handler", {{"exec", {{"command", {"/bin/true"}}}}}},
        {"template", {{"spec", {{"containers", {{{"name", "main"}, {"image", "none"}}}}}}}}};
  }
  make("queues", {{"metadata", {{"name", "q"}}}, {"spec", spec}});
}

void FaultScene::make_job(const std::string& name) {
  make("jobs",
       {{"metadata", {{"name", name}}}, {"spec", {{"queue", "q"}, {"payload", {{"job", name}}}}}});
}

void FaultScene::remove(const std::string& path) {
  cluster_.call({.method = "DELETE", .path = path});
}

void FaultScene::patch(const std::string& path, const Json& change) {
  cluster_.call(
      {.method = "PATCH", .path = path, .body = change.dump(), .content_type = kMergePatch});
}

Json FaultScene::get(const std::string& path) {
  const auto answer = client_->send({.path = path});
  return answer && answer->status == 200 ? parsed(answer->body) : Json();
}

std::vector<Json> FaultScene::list(const std::string& path) {
  Json all = get(path);
  return all.is_object() ? all["items"].get<std::vector<Json>>() : std::vector<Json>{};
}

std::string FaultScene::job_state(const std::string& name) {
  const Json job = get(path("jobs", name));
  return job.is_object() ? job.value(Json::json_pointer("/status/state"), "") : "";
}

std::string FaultScene::condition(const std::string& path, std::string_view type) {
  Json object = get(path);
  if (!object.is_object()) return "";
  for (Json& one : object["status"]["conditions"]) {
    if (one["type"] == type) return one.value("status", "") + "/" + one.value("reason", "");
  }
  return "";
}

std::vector<Json> FaultScene::broker_jobs() {
  Reply reply = broker_.get(broker_path("/jobs?limit=1000"));
  return reply.status == 200 ? reply.body["jobs"].get<std::vector<Json>>() : std::vector<Json>{};
}

Json FaultScene::claim(const std::string& worker, const std::string& instance) {
  const Json body = {{"worker", worker}, {"instance", instance}, {"max", 1}};
  Reply reply = broker_.send("POST", broker_path("/jobs:claim"), body.dump());
  if (reply.status != 200 || reply.body["jobs"].empty()) return {};
  Json job = reply.body["jobs"][0];
  job["worker"] = worker;
  return job;
}

bool FaultScene::settle(const Json& claimed, const Json& outcome) {
  Json one = {{"id", claimed.at("id")}, {"lease", claimed.at("lease")}};
  one.update(outcome);
  const Json body = {{"worker", claimed.at("worker")}, {"settlements", Json::array({one})}};
  Reply reply = broker_.send("POST", broker_path("/jobs:settle"), body.dump());
  return reply.status == 200 && reply.body["results"][0].value("status", "") == "ok";
}

int FaultScene::broker_queue_status() {
  return broker_.get(broker_path()).status;
}

void FaultTest::SetUp() {
  if (!cluster_.missing().empty()) GTEST_SKIP() << cluster_.missing();
  broker_.emplace(folder_.path() / "data");
  scene_.emplace(cluster_, broker_->url());
}

void FaultTest::TearDown() {
  if (!HasFailure()) return;
  for (const auto& one : operators_) std::cerr << one->report();
}

OperatorProcess& FaultTest::start_operator() {
  return start_operator(scene_->setup());
}

OperatorProcess& FaultTest::start_operator(const OperatorProcess::Setup& setup) {
  operators_.push_back(std::make_unique<OperatorProcess>(setup));
  return *operators_.back();
}

bool FaultTest::becomes_accepted(const std::string& job) {
  return eventually([&] {
    return scene_->condition(scene_->path("jobs", job), "Accepted").starts_with("True/");
  });
}

}  // namespace sluice::testing
