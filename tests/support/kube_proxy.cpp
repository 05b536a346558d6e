#include "tests/support/kube_proxy.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace sluice::testing {
namespace {

using std::chrono::milliseconds;

// How often a thread that waits for the test looks whether its client has left.
constexpr milliseconds kLook{10};

bool matches(const ProxyMatch& match, const std::string& method, const std::string& target) {
  return (match.method.empty() || match.method == method) && (!match.writes || method != "GET") &&
         target.find(match.path_contains) != std::string::npos &&
         (match.path_lacks.empty() || target.find(match.path_lacks) == std::string::npos);
}

bool is_readable(int descriptor, milliseconds wait) {
  pollfd one{descriptor, POLLIN, 0};
  return poll(&one, 1, static_cast<int>(wait.count())) == 1;
}

bool may_have_body(const std::string& method, const std::string& body) {
  return !body.empty() || method == "POST" || method == "PUT" || method == "PATCH";
}

// The request as the API server gets it: of the client's headers only those that matter to it.
std::string forwarded_text(const ReceivedRequest& request, const ProxyTarget& target) {
  std::string text = request.method + " " + request.target + " HTTP/1.1\r\nHost: " + target.host +
                     ":" + std::to_string(target.port) + "\r\n";
  for (const char* name : {"accept", "content-type", "user-agent", "authorization"}) {
    const auto header = request.headers.find(name);
    const bool is_replaced = std::string_view(name) == "authorization" && !target.token.empty();
    if (header != request.headers.end() && !is_replaced) {
      text += std::string(name) + ": " + header->second + "\r\n";
    }
  }
  if (!target.token.empty()) text += "authorization: Bearer " + target.token + "\r\n";
  if (may_have_body(request.method, request.body)) {
    text += "content-length: " + std::to_string(request.body.size()) + "\r\n";
  }
  return text + "\r\n" + request.body;
}

std::string status_object(int status, std::string_view reason, std::string_view message) {
  return R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":")" +
         std::string(message) + R"(","reason":")" + std::string(reason) + R"(","code":)" +
         std::to_string(status) + "}";
}

}  // namespace

Fault Fault::refuse(int status, std::string_view reason, std::string_view message) {
  return answer(status, status_object(status, reason, message));
}

Fault Fault::too_many_requests(int retry_after_seconds) {
  return answer(429, status_object(429, "TooManyRequests", "injected"),
                {{"Retry-After", std::to_string(retry_after_seconds)}});
}

Fault Fault::watch_expired(int after_lines) {
  return inject_line(R"({"type":"ERROR","object":)" +
                         status_object(410, "Expired", "too old resource version: 1 (2)") + "}",
                     after_lines);
}

// One request on its way.
struct KubeProxy::Exchange {
  ByteStream& client;
  std::unique_ptr<ByteStream>& server;
  const ReceivedRequest& request;
  const Fault& fault;
  std::size_t number;
};

KubeProxy::KubeProxy(ProxyTarget target)
    : target_(std::move(target)),
      tls_(target_.tls ? std::make_unique<TlsContext>(TlsContext::Side::kClient, *target_.tls)
                       : nullptr),
      listener_(listen_on_loopback()),
      accepting_([this] { accept_all(); }) {}

KubeProxy::~KubeProxy() {
  shutdown(listener_.socket, SHUT_RDWR);
  accepting_.join();
  cut_all();
  for (std::thread& one : serving_) one.join();
  close(listener_.socket);
}

std::string KubeProxy::url() const {
  return "http://127.0.0.1:" + std::to_string(listener_.port);
}

void KubeProxy::on(const ProxyMatch& match, const Fault& fault) {
  const std::scoped_lock lock(mutex_);
  rules_.push_back({match, fault});
}

void KubeProxy::clear() {
  const std::scoped_lock lock(mutex_);
  rules_.clear();
}

void KubeProxy::release() {
  const std::scoped_lock lock(mutex_);
  ++releases_;
  changed_.notify_all();
}

void KubeProxy::cut_all() {
  const std::scoped_lock lock(mutex_);
  ++cuts_;
  for (const int one : sockets_) shutdown(one, SHUT_RDWR);
  changed_.notify_all();
}

void KubeProxy::go_down() {
  {
    const std::scoped_lock lock(mutex_);
    is_down_ = true;
  }
  cut_all();
}

void KubeProxy::come_back() {
  const std::scoped_lock lock(mutex_);
  is_down_ = false;
}

bool KubeProxy::is_down() const {
  const std::scoped_lock lock(mutex_);
  return is_down_;
}

std::vector<ProxiedRequest> KubeProxy::requests() const {
  const std::scoped_lock lock(mutex_);
  return requests_;
}

int KubeProxy::count(const ProxyMatch& match) const {
  const std::scoped_lock lock(mutex_);
  return count_locked(match);
}

int KubeProxy::count_locked(const ProxyMatch& match) const {
  return static_cast<int>(std::count_if(
      requests_.begin(), requests_.end(),
      [&](const ProxiedRequest& one) { return matches(match, one.method, one.target); }));
}

bool KubeProxy::wait_for(const ProxyMatch& match, int count, milliseconds time_max) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, time_max, [&] { return count_locked(match) >= count; });
}

int KubeProxy::held() const {
  const std::scoped_lock lock(mutex_);
  return held_;
}

void KubeProxy::accept_all() {
  for (;;) {
    const int accepted = accept4(listener_.socket, nullptr, nullptr, SOCK_CLOEXEC);
    if (accepted < 0) return;
    const std::scoped_lock lock(mutex_);
    if (is_down_) {
      close(accepted);
      continue;
    }
    sockets_.insert(accepted);
    serving_.emplace_back([this, accepted] { serve_connection(accepted); });
  }
}

void KubeProxy::serve_connection(int socket) {
  // The stream has a copy of its own: the number stays ours until it is taken out.
  if (const auto client = ByteStream::accept(fcntl(socket, F_DUPFD_CLOEXEC, 0), nullptr)) {
    std::unique_ptr<ByteStream> server;  // kept for the requests that follow
    std::string buffer;
    while (const auto request = read_request(*client, buffer)) {
      if (!serve_request(*client, server, *request)) break;
    }
    client->shutdown();
  }
  const std::scoped_lock lock(mutex_);
  sockets_.erase(socket);
  close(socket);
}

std::pair<std::size_t, Fault> KubeProxy::admit(const ReceivedRequest& request) {
  const std::scoped_lock lock(mutex_);
  Fault fault;
  for (auto rule = rules_.begin(); rule != rules_.end(); ++rule) {
    if (!matches(rule->match, request.method, request.target)) continue;
    if (rule->match.skip > 0) {
      --rule->match.skip;
      continue;
    }
    fault = rule->fault;
    if (rule->match.times != ProxyMatch::kAlways && --rule->match.times <= 0) rules_.erase(rule);
    break;
  }
  requests_.push_back({request.method, request.target, request.body, fault.kind, 0});
  changed_.notify_all();
  return {requests_.size() - 1, fault};
}

void KubeProxy::answered(std::size_t number, int status) {
  const std::scoped_lock lock(mutex_);
  requests_[number].status = status;
  changed_.notify_all();
}

bool KubeProxy::hold(Exchange& exchange) {
  std::unique_lock lock(mutex_);
  const int releases = releases_;
  const int cuts = cuts_;
  ++held_;
  changed_.notify_all();
  bool is_left = false;
  while (releases_ == releases && cuts_ == cuts && !is_left) {
    changed_.wait_for(lock, kLook);
    is_left = is_readable(exchange.client.descriptor(), milliseconds{0});
  }
  --held_;
  return releases_ != releases && cuts_ == cuts && !is_left;
}

// Each returns whether the client's connection may serve another request.
bool KubeProxy::serve_request(ByteStream& client, std::unique_ptr<ByteStream>& server,
                              const ReceivedRequest& request) {
  const auto [number, fault] = admit(request);
  Exchange exchange{client, server, request, fault, number};
  switch (fault.kind) {
    case Fault::Kind::kCut:
      if (fault.then) fault.then();
      return false;
    case Fault::Kind::kAnswer:
      answered(number, fault.status);
      return client.write(answer_text(fault.status, fault.body, fault.headers));
    case Fault::Kind::kStall:
    case Fault::Kind::kHold:
      return hold(exchange) && forward(exchange);
    case Fault::Kind::kDelay: {
      std::unique_lock lock(mutex_);
      const int cuts = cuts_;
      if (changed_.wait_for(lock, fault.delay, [&] { return cuts_ != cuts; })) return false;
      break;
    }
    default:
      break;
  }
  return forward(exchange);
}

bool KubeProxy::forward(Exchange& exchange) {
  const bool was_kept = exchange.server != nullptr;
  // A kept connection on which something waits has been closed by the server.
  if (was_kept && is_readable(exchange.server->descriptor(), milliseconds{0})) {
    exchange.server.reset();
  }
  if (!exchange.server) {
    exchange.server = ByteStream::connect(target_.host, target_.port, tls_.get());
  }
  if (!exchange.server || !exchange.server->write(forwarded_text(exchange.request, target_))) {
    exchange.server.reset();
    return false;
  }
  AnswerReader reader(*exchange.server);
  const auto start = wait_for_bytes(exchange, reader) ? reader.read_start() : std::nullopt;
  if (!start) {
    exchange.server.reset();
    return false;
  }
  switch (exchange.fault.kind) {
    case Fault::Kind::kGoDown:
      go_down();
      return false;
    case Fault::Kind::kCutAnswer:
      if (exchange.fault.then) exchange.fault.then();
      return false;
    case Fault::Kind::kHoldAnswer:
      if (!hold(exchange)) return false;
      break;
    default:
      break;
  }
  answered(exchange.number, start->status);
  if (relay(exchange, reader, *start)) return true;
  exchange.server.reset();
  return false;
}

// True when the server has something to say; false when the client leaves before.
bool KubeProxy::wait_for_bytes(Exchange& exchange, AnswerReader& reader) {
  if (reader.is_ready() || exchange.server->has_unread()) return true;
  pollfd both[] = {{exchange.server->descriptor(), POLLIN, 0},
                   {exchange.client.descriptor(), POLLIN | POLLRDHUP, 0}};
  if (poll(both, 2, -1) < 0) return false;
  return both[1].revents == 0;
}

bool KubeProxy::relay(Exchange& exchange, AnswerReader& reader, const AnswerStart& start) {
  const Fault& fault = exchange.fault;
  const bool counts_lines =
      fault.kind == Fault::Kind::kCutLines || fault.kind == Fault::Kind::kCutMidLine ||
      fault.kind == Fault::Kind::kStallLines || fault.kind == Fault::Kind::kInjectLine;
  std::string head = "HTTP/1.1 " + std::to_string(start.status) + " Any\r\n";
  for (const char* name : {"content-type", "retry-after"}) {
    const auto header = start.headers.find(name);
    if (header != start.headers.end()) head += std::string(name) + ": " + header->second + "\r\n";
  }
  const bool has_body = start.status != 204 && start.status != 304;
  if (has_body) head += "Transfer-Encoding: chunked\r\n";
  if (!exchange.client.write(head + "\r\n") || !has_body) return !has_body;

  int lines_left = counts_lines ? fault.lines : 0;
  for (;;) {
    std::string bytes;
    AnswerReader::Piece piece = AnswerReader::Piece::kBytes;
    if (!counts_lines || lines_left > 0 || fault.kind == Fault::Kind::kCutMidLine) {
      if (!wait_for_bytes(exchange, reader)) return false;
      piece = reader.read_body(bytes);
    }
    if (counts_lines && piece == AnswerReader::Piece::kBytes) {
      std::size_t end = 0;
      while (lines_left > 0 && (end = bytes.find('\n', end)) != std::string::npos) {
        ++end;
        --lines_left;
      }
      const std::size_t begun = end == std::string::npos ? 0 : bytes.size() - end;
      if (lines_left == 0 && (fault.kind != Fault::Kind::kCutMidLine || begun > 1)) {
        const std::size_t half = fault.kind == Fault::Kind::kCutMidLine ? begun / 2 : 0;
        bytes.resize(std::min(end + half, bytes.size()));
        if (fault.kind == Fault::Kind::kInjectLine) bytes += fault.body + "\n";
        if (!bytes.empty() && !exchange.client.write(chunk_text(bytes))) return false;
        if (fault.kind == Fault::Kind::kStallLines) hold(exchange);
        if (fault.kind == Fault::Kind::kInjectLine) exchange.client.write("0\r\n\r\n");
        return false;
      }
    }
    if (!bytes.empty() && !exchange.client.write(chunk_text(bytes))) return false;
    if (piece == AnswerReader::Piece::kBroken) return false;
    if (piece == AnswerReader::Piece::kEnd) return exchange.client.write("0\r\n\r\n");
  }
}

}  // namespace sluice::testing
