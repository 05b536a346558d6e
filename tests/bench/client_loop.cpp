#include "tests/bench/client_loop.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace sluice::bench {
namespace {

constexpr std::size_t kReadBytes = 256 * 1024;
constexpr std::size_t kStatusOffset = 9;  // after "HTTP/1.1 "
constexpr std::string_view kEndOfHeader = "\r\n\r\n";

struct ParsedReply {
  Reply reply;
  std::size_t size = 0;  // header and body
};

std::size_t content_length(std::string_view header) {
  static constexpr std::string_view kName = "\r\ncontent-length:";
  const auto same = [](char a, char b) { return a == b || (a >= 'A' && a <= 'Z' && a + 32 == b); };
  const auto it = std::search(header.begin(), header.end(), kName.begin(), kName.end(), same);
  if (it == header.end()) die("a reply has no Content-Length: " + std::string(header));
  const char* digits = &*it + kName.size();
  const char* end = header.data() + header.size();
  while (digits < end && *digits == ' ') ++digits;
  std::size_t length = 0;
  std::from_chars(digits, end, length);
  return length;
}

// Absent while the reply is incomplete.
std::optional<ParsedReply> parse_reply(std::string_view bytes) {
  const std::size_t header_end = bytes.find(kEndOfHeader);
  if (header_end == std::string_view::npos) return std::nullopt;
  const std::string_view header = bytes.substr(0, header_end);
  const std::size_t body_begin = header_end + kEndOfHeader.size();
  const std::size_t body_size = content_length(header);
  if (bytes.size() < body_begin + body_size) return std::nullopt;
  ParsedReply parsed;
  if (header.size() > kStatusOffset) {
    std::from_chars(header.data() + kStatusOffset, header.data() + header.size(),
                    parsed.reply.status);
  }
  parsed.reply.body = bytes.substr(body_begin, body_size);
  parsed.size = body_begin + body_size;
  return parsed;
}

timespec time_left(BenchClock::time_point until) {
  const auto left = std::max(BenchClock::duration::zero(), until - BenchClock::now());
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
  return {seconds.count(), std::chrono::nanoseconds(left - seconds).count()};
}

}  // namespace

struct ClientLoop::Connection {
  int fd = -1;
  std::string out;
  std::size_t sent = 0;
  std::string in;
  bool waiting = false;  // for a reply
  bool wants_write = false;
};

void die(std::string_view what) {
  std::fprintf(stderr, "sluice-bench: %.*s\n", static_cast<int>(what.size()), what.data());
  std::exit(1);
}

std::string make_request(std::string_view method, std::string_view target, std::string_view body) {
  std::string request;
  request.reserve(method.size() + target.size() + body.size() + 128);
  request.append(method).append(" ").append(target);
  request.append(" HTTP/1.1\r\nHost: 127.0.0.1\r\n");
  if (!body.empty()) {
    request.append("Content-Type: application/json\r\nContent-Length: ");
    request.append(std::to_string(body.size())).append("\r\n");
  }
  return request.append("\r\n").append(body);
}

ClientLoop::ClientLoop(std::uint16_t port) : port_(port), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  if (epoll_ < 0) die(std::string("epoll_create1: ") + std::strerror(errno));
}

ClientLoop::~ClientLoop() {
  for (const auto& connection : connections_) ::close(connection->fd);
  ::close(epoll_);
}

void ClientLoop::connect(std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    auto connection = std::make_unique<Connection>();
    connection->fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port_);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(connection->fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) !=
        0) {
      die(std::string("connect: ") + std::strerror(errno));
    }
    const int on = 1;
    ::setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    epoll_event event{.events = EPOLLIN, .data = {.u64 = connections_.size()}};
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, connection->fd, &event);
    connections_.push_back(std::move(connection));
  }
}

void ClientLoop::send(std::size_t index, std::string_view request) {
  Connection& connection = *connections_[index];
  if (connection.waiting) die("a second request on a busy connection");
  connection.waiting = true;
  connection.out.assign(request);
  connection.sent = 0;
  flush(connection);
  if (connection.sent < connection.out.size()) {
    connection.wants_write = true;
    epoll_event event{.events = EPOLLIN | EPOLLOUT, .data = {.u64 = index}};
    ::epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.fd, &event);
  }
}

void ClientLoop::flush(Connection& connection) {
  while (connection.sent < connection.out.size()) {
    const ssize_t n = ::send(connection.fd, connection.out.data() + connection.sent,
                             connection.out.size() - connection.sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (n < 0) die(std::string("send: ") + std::strerror(errno));
    connection.sent += static_cast<std::size_t>(n);
  }
}

void ClientLoop::poll(std::optional<BenchClock::time_point> until, const Handler& handler) {
  std::array<epoll_event, 128> events;
  const timespec left = until ? time_left(*until) : timespec{};
  const int count =
      ::epoll_pwait2(epoll_, events.data(), events.size(), until ? &left : nullptr, nullptr);
  if (count < 0 && errno != EINTR) die(std::string("epoll_pwait2: ") + std::strerror(errno));
  for (int i = 0; i < count; ++i) {
    const std::size_t index = events[i].data.u64;
    Connection& connection = *connections_[index];
    if (connection.wants_write) {
      flush(connection);
      if (connection.sent == connection.out.size()) {
        connection.wants_write = false;
        epoll_event event{.events = EPOLLIN, .data = {.u64 = index}};
        ::epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.fd, &event);
      }
    }
    if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) receive(index, handler);
  }
}

void ClientLoop::receive(std::size_t index, const Handler& handler) {
  static thread_local std::array<char, kReadBytes> chunk;
  Connection& connection = *connections_[index];
  const ssize_t n = ::recv(connection.fd, chunk.data(), chunk.size(), MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
  if (n <= 0) die("the broker closed a connection");
  // Most replies come whole: those are read where they are.
  std::string_view bytes(chunk.data(), static_cast<std::size_t>(n));
  if (!connection.in.empty()) bytes = connection.in.append(bytes);
  const auto parsed = parse_reply(bytes);
  if (!parsed) {
    if (connection.in.empty()) connection.in = bytes;
    return;
  }
  if (!connection.waiting || parsed->size != bytes.size()) die("a reply nobody waits for");
  connection.waiting = false;
  // The handler may send on this connection, and its reply's bytes must outlive that.
  const std::string keep = std::move(connection.in);
  connection.in.clear();
  Reply reply = parsed->reply;
  if (!keep.empty()) reply = parse_reply(keep)->reply;
  handler(index, reply);
}

void ClientLoop::rest(BenchClock::duration duration) {
  const auto until = BenchClock::now() + duration;
  while (BenchClock::now() < until) {
    poll(until, [](std::size_t, const Reply&) { die("a reply nobody waits for"); });
  }
}

std::string ClientLoop::call(std::string_view method, std::string_view target,
                             std::string_view body, int want_status) {
  std::optional<std::string> answer;
  send(0, make_request(method, target, body));
  while (!answer) {
    poll(std::nullopt, [&](std::size_t, const Reply& reply) {
      if (reply.status != want_status) {
        die(std::string(method) + " " + std::string(target) + " answered " +
            std::to_string(reply.status) + ": " + std::string(reply.body));
      }
      answer = reply.body;
    });
  }
  return std::move(*answer);
}

}  // namespace sluice::bench
