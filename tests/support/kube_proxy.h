// An HTTP proxy between a client and the API server that fails as a test says.
//
//   KubeProxy proxy({.host = "10.0.0.1", .port = 6443, .tls = {...}, .token = "..."});
//   const auto client = make_rest_client({.server = proxy.url()}, ...);      // plain HTTP
//   proxy.on({.method = "POST", .path_contains = "/pods"}, Fault::cut_answer());
//   proxy.on({.path_contains = "watch=", .skip = 1},
//   Fault::inject_line(R"({"type":"ERROR",...})"));
//
// Each request is taken by the first rule that matches and is not used up; without one it passes.
#pragma once

#include <chrono>
#include <condition_variable>
#include <list>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/byte_stream.h"
#include "tests/support/http_text.h"
#include "tests/support/proxy_fault.h"

namespace sluice::testing {

// Any thread may call everything. The destructor cuts all connections.
class KubeProxy {
 public:
  explicit KubeProxy(ProxyTarget target);
  ~KubeProxy();
  KubeProxy(const KubeProxy&) = delete;
  KubeProxy& operator=(const KubeProxy&) = delete;

  std::string url() const;  // "http://127.0.0.1:PORT"

  void on(const ProxyMatch& match, const Fault& fault);
  // Forgets all rules; what stalls or is held stays so.
  void clear();
  // Lets everything stalled or held go on.
  void release();
  // Cuts every connection now: the API server ended. New ones are welcome.
  void cut_all();
  // The same, and refuses new ones until come_back().
  void go_down();
  void come_back();
  bool is_down() const;

  std::vector<ProxiedRequest> requests() const;
  int count(const ProxyMatch& match) const;
  // Blocks until `count` requests that match have come; false after `time_max`.
  bool wait_for(const ProxyMatch& match, int count,
                std::chrono::milliseconds time_max = std::chrono::seconds{30}) const;
  // Requests stalled or held right now.
  int held() const;

 private:
  struct Rule {
    ProxyMatch match;
    Fault fault;
  };
  struct Exchange;

  void accept_all();
  void serve_connection(int socket);
  bool serve_request(ByteStream& client, std::unique_ptr<ByteStream>& server,
                     const ReceivedRequest& request);
  bool forward(Exchange& exchange);
  bool relay(Exchange& exchange, class AnswerReader& reader, const AnswerStart& start);
  bool wait_for_bytes(Exchange& exchange, class AnswerReader& reader);
  // False when the client left or all is cut first.
  bool hold(Exchange& exchange);
  std::pair<std::size_t, Fault> admit(const ReceivedRequest& request);
  void answered(std::size_t number, int status);
  int count_locked(const ProxyMatch& match) const;

  const ProxyTarget target_;
  const std::unique_ptr<TlsContext> tls_;
  const Listener listener_;

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::list<Rule> rules_;
  std::vector<ProxiedRequest> requests_;
  std::set<int> sockets_;  // of clients
  std::list<std::thread> serving_;
  int held_ = 0;
  int releases_ = 0;
  int cuts_ = 0;
  bool is_down_ = false;
  std::thread accepting_;
};

}  // namespace sluice::testing
