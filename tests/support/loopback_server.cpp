#include "tests/support/loopback_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <random>
#include <utility>

namespace sluice::testing {
namespace {

// A listening socket, or -1 (no IPv6 on this machine, say).
int listen_on(const std::string& host, int port, int& bound_port) {
  const bool is_ipv6 = host.find(':') != std::string::npos;
  const int listener = socket(is_ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0) return -1;
  const int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);

  sockaddr_storage address{};
  socklen_t size = 0;
  if (is_ipv6) {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&address);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(static_cast<std::uint16_t>(port));
    v6->sin6_addr = in6addr_loopback;
    size = sizeof *v6;
  } else {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&address);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(static_cast<std::uint16_t>(port));
    v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    size = sizeof *v4;
  }
  auto* any = reinterpret_cast<sockaddr*>(&address);
  if (bind(listener, any, size) != 0 || listen(listener, 128) != 0 ||
      getsockname(listener, any, &size) != 0) {
    close(listener);
    return -1;
  }
  bound_port = ntohs(is_ipv6 ? reinterpret_cast<sockaddr_in6*>(&address)->sin6_port
                             : reinterpret_cast<sockaddr_in*>(&address)->sin_port);
  return listener;
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

void parse_header(std::string_view header, ReceivedRequest& request) {
  std::size_t end = header.find("\r\n");
  const std::string line(header.substr(0, end));
  request.method = line.substr(0, line.find(' '));
  request.target = line.substr(request.method.size() + 1, line.rfind(' ') - line.find(' ') - 1);
  while (end != std::string_view::npos) {
    header.remove_prefix(end + 2);
    end = header.find("\r\n");
    const std::string_view field = header.substr(0, end);
    const std::size_t colon = field.find(": ");
    if (colon == std::string_view::npos) continue;
    request.headers[lower(std::string(field.substr(0, colon)))] = field.substr(colon + 2);
  }
}

}  // namespace

bool LoopbackPeer::read_more() {
  char bytes[16384];
  const ssize_t count = recv(socket_, bytes, sizeof bytes, 0);
  if (count <= 0) return false;
  buffer_.append(bytes, static_cast<std::size_t>(count));
  return true;
}

bool LoopbackPeer::read_request(ReceivedRequest& request) {
  request = {};
  std::size_t end = 0;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
    if (!read_more()) return false;
  }
  parse_header(std::string_view(buffer_).substr(0, end), request);
  buffer_.erase(0, end + 4);

  const auto length = request.headers.find("content-length");
  const std::size_t size = length == request.headers.end() ? 0 : std::stoul(length->second);
  while (buffer_.size() < size) {
    if (!read_more()) return false;
  }
  request.body = buffer_.substr(0, size);
  buffer_.erase(0, size);
  return true;
}

bool LoopbackPeer::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

bool LoopbackPeer::reply(int status, std::string_view body) {
  return write("HTTP/1.1 " + std::to_string(status) +
               " Any\r\nContent-Type: application/json\r\nContent-Length: " +
               std::to_string(body.size()) + "\r\n\r\n" + std::string(body));
}

bool LoopbackPeer::wait_until_readable() {
  pollfd readable{socket_, POLLIN, 0};
  return poll(&readable, 1, -1) == 1;
}

LoopbackServer::LoopbackServer(Serve serve, int port, std::string_view host)
    : serve_(std::move(serve)), host_(host), listener_(listen_on(host_, port, port_)) {
  if (is_listening()) accepting_ = std::thread([this] { accept_all(); });
}

LoopbackServer::~LoopbackServer() {
  if (!is_listening()) return;
  shutdown(listener_, SHUT_RDWR);
  accepting_.join();
  {
    const std::scoped_lock lock(mutex_);
    for (const int one : sockets_) shutdown(one, SHUT_RDWR);
  }
  for (std::thread& one : serving_) one.join();
  close(listener_);
}

std::string LoopbackServer::url() const {
  const bool is_ipv6 = host_.find(':') != std::string::npos;
  return "http://" + (is_ipv6 ? "[" + host_ + "]" : host_) + ":" + std::to_string(port_);
}

void LoopbackServer::accept_all() {
  for (;;) {
    const int accepted = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (accepted < 0) return;
    const int on = 1;
    setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const std::scoped_lock lock(mutex_);
    sockets_.push_back(accepted);
    serving_.emplace_back([this, accepted, number = connections_++] {
      LoopbackPeer peer(accepted);
      serve_(peer, number);
      const std::scoped_lock closing(mutex_);
      std::erase(sockets_, accepted);
      close(accepted);
    });
  }
}

int unused_port() {
  // Below the range that the kernel gives to port 0 and to outgoing connections, so that nothing
  // which runs beside takes it before the test does.
  constexpr int kFirst = 20'000;
  constexpr int kCount = 12'000;
  static std::minstd_rand random(static_cast<unsigned>(getpid()));
  for (;;) {
    int port = kFirst + static_cast<int>(random() % kCount);
    const int listener = listen_on("127.0.0.1", port, port);
    if (listener < 0) continue;
    close(listener);
    return port;
  }
}

}  // namespace sluice::testing
