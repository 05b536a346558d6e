#include "tests/unit/worker/fake_broker.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace sluice::worker {

using nlohmann::json;

namespace {

constexpr std::chrono::seconds kPatience{20};

}  // namespace

FakeBroker::FakeBroker() {
  come_back();
}
FakeBroker::~FakeBroker() {
  go_away();
}

void FakeBroker::add_job(const std::string& id, json with) {
  json job = {{"id", id},
              {"lease", "lease-" + id},
              {"attempt", 1},
              {"payload", json::object()},
              {"leaseSeconds", 1},
              {"timeoutSeconds", 60},
              {"deadline", "2026-11-22T16:00:00Z"}};
  job.update(with);
  const std::scoped_lock lock(mutex_);
  jobs_.push_back(std::move(job));
  changed_.notify_all();
}

void FakeBroker::answer_extend(const std::string& id, const std::string& status) {
  const std::scoped_lock lock(mutex_);
  extend_answers_[id] = status;
}

void FakeBroker::refuse_results() {
  const std::scoped_lock lock(mutex_);
  refuses_results_ = true;
}

void FakeBroker::refuse_follow_ups() {
  const std::scoped_lock lock(mutex_);
  refuses_follow_ups_ = true;
}

void FakeBroker::set_drain(bool drain) {
  const std::scoped_lock lock(mutex_);
  drain_ = drain;
  changed_.notify_all();
}

void FakeBroker::hang_up_on(const std::string& call, bool hangs_up) {
  const std::scoped_lock lock(mutex_);
  if (hangs_up) {
    hangs_up_on_.insert(call);
  } else {
    hangs_up_on_.erase(call);
  }
}

void FakeBroker::go_away() {
  {
    const std::scoped_lock lock(mutex_);
    away_ = true;
    changed_.notify_all();
  }
  server_.reset();
}

void FakeBroker::come_back() {
  {
    const std::scoped_lock lock(mutex_);
    away_ = false;
  }
  server_ = std::make_unique<testing::LoopbackServer>(
      [this](testing::LoopbackPeer& peer, int) { serve(peer); }, port_);
  port_ = server_->port();
}

template <typename Condition>
bool FakeBroker::wait(const Condition& condition) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, kPatience, condition);
}

bool FakeBroker::wait_for_settlements(std::size_t count) {
  return wait([&] { return settlements_.size() >= count; });
}

bool FakeBroker::wait_for_claims(int count) {
  return wait([&] { return claims_ >= count; });
}

bool FakeBroker::wait_for_hang_ups(int count) {
  return wait([&] { return hang_ups_ >= count; });
}

bool FakeBroker::wait_for_report(const std::function<bool(const json&)>& is_it) {
  return wait([&] { return std::any_of(reports_.begin(), reports_.end(), is_it); });
}

std::vector<json> FakeBroker::settlements() {
  const std::scoped_lock lock(mutex_);
  return settlements_;
}

int FakeBroker::claims() {
  const std::scoped_lock lock(mutex_);
  return claims_;
}

int FakeBroker::jobs_left() {
  const std::scoped_lock lock(mutex_);
  return static_cast<int>(jobs_.size());
}

void FakeBroker::serve(testing::LoopbackPeer& peer) {
  testing::ReceivedRequest request;
  while (peer.read_request(request)) {
    if (hangs_up(request.target)) return;
    const json body = json::parse(request.body);
    json reply;
    if (request.target == "/v1/namespaces/demo/queues/q/jobs:claim") {
      reply = claim(body);
    } else if (request.target == "/v1/namespaces/demo/queues/q/jobs:extend") {
      reply = extend(body);
    } else if (request.target == "/v1/namespaces/demo/queues/q/jobs:settle") {
      reply = settle(body);
    }
    if (request.headers["sluice-protocol"] != "1") reply = {};
    if (!peer.reply(reply.empty() ? 404 : 200, reply.dump())) return;
  }
}

bool FakeBroker::hangs_up(const std::string& target) {
  const std::scoped_lock lock(mutex_);
  if (!hangs_up_on_.contains(target.substr(target.rfind(':') + 1))) return false;
  ++hang_ups_;
  changed_.notify_all();
  return true;
}

json FakeBroker::claim(const json& request) {
  std::unique_lock lock(mutex_);
  ++claims_;
  changed_.notify_all();
  changed_.wait(lock, [&] { return away_ || drain_ || !jobs_.empty(); });
  json taken = json::array();
  while (!away_ && !drain_ && !jobs_.empty() && taken.size() < request["max"].get<std::size_t>()) {
    taken.push_back(jobs_.front());
    jobs_.erase(jobs_.begin());
  }
  return {{"jobs", taken}, {"drain", drain_}};
}

json FakeBroker::extend(const json& request) {
  const std::scoped_lock lock(mutex_);
  reports_.push_back(request);
  changed_.notify_all();
  json leases = json::array();
  for (const json& lease : request["leases"]) {
    const auto answer = extend_answers_.find(lease["id"]);
    leases.push_back(
        {{"id", lease["id"]}, {"status", answer == extend_answers_.end() ? "ok" : answer->second}});
  }
  return {{"leases", leases}, {"drain", drain_}};
}

json FakeBroker::settle(const json& request) {
  const std::scoped_lock lock(mutex_);
  json results = json::array();
  for (const json& one : request["settlements"]) {
    if (refuses_results_ && one.contains("result")) {
      results.push_back({{"id", one["id"]}, {"error", {{"status", 413}, {"detail", "too large"}}}});
      continue;
    }
    if (refuses_follow_ups_ && one.contains("enqueue")) {
      json problem = {{"status", 400}, {"detail", "must be 0 to 9"}, {"field", "enqueue[0].x"}};
      results.push_back({{"id", one["id"]}, {"error", problem}});
      continue;
    }
    settlements_.push_back(one);
    results.push_back({{"id", one["id"]}, {"status", "ok"}});
  }
  changed_.notify_all();
  return {{"results", results}};
}

}  // namespace sluice::worker
