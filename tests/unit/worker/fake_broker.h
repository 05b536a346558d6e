// A broker small enough to see through: jobs go out once, everything told is kept.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "tests/support/loopback_server.h"

namespace sluice::worker {

// Threads: any.
class FakeBroker {
 public:
  FakeBroker();
  ~FakeBroker();

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

  // Offers {"id","lease","attempt","payload","leaseSeconds":1,"timeoutSeconds":60}, changed by
  // `with`.
  void add_job(const std::string& id, nlohmann::json with = nlohmann::json::object());
  // What extend answers for the job from now on: "ok", "lost", "cancelled".
  void answer_extend(const std::string& id, const std::string& status);
  // A settlement with follow-up jobs gets 400 for the first of them.
  void refuse_follow_ups();
  // A settlement with a result gets 413.
  void refuse_results();
  void set_drain(bool drain);
  // Connections that bring `call` ("extend", "settle") end without an answer, or no longer.
  void hang_up_on(const std::string& call, bool hangs_up = true);
  // Nobody listens, every connection ends.
  void go_away();
  void come_back();

  // Each waits until it is so; false after far longer than it takes.
  bool wait_for_settlements(std::size_t count);
  bool wait_for_claims(int count);
  bool wait_for_hang_ups(int count);
  bool wait_for_report(const std::function<bool(const nlohmann::json&)>& is_it);

  // In the order they came, refused ones left out.
  std::vector<nlohmann::json> settlements();
  int claims();
  int jobs_left();

 private:
  void serve(testing::LoopbackPeer& peer);
  bool hangs_up(const std::string& target);
  nlohmann::json claim(const nlohmann::json& request);
  nlohmann::json extend(const nlohmann::json& request);
  nlohmann::json settle(const nlohmann::json& request);
  template <typename Condition>
  bool wait(const Condition& condition);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<nlohmann::json> jobs_;
  std::map<std::string, std::string> extend_answers_;
  std::vector<nlohmann::json> reports_;
  std::vector<nlohmann::json> settlements_;
  std::set<std::string> hangs_up_on_;
  int hang_ups_ = 0;
  bool refuses_results_ = false;
  bool refuses_follow_ups_ = false;
  bool drain_ = false;
  bool away_ = false;
  int claims_ = 0;
  int port_ = 0;
  std::unique_ptr<testing::LoopbackServer> server_;
};

}  // namespace sluice::worker
