#include "tests/support/tls_server.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

namespace sluice::testing {

TlsServer::TlsServer(const std::optional<TlsIdentity>& identity, Serve serve)
    : tls_(identity ? std::make_unique<TlsContext>(TlsContext::Side::kServer, *identity) : nullptr),
      serve_(std::move(serve)),
      listener_(listen_on_loopback()),
      accepting_([this] { accept_all(); }) {}

TlsServer::~TlsServer() {
  shutdown(listener_.socket, SHUT_RDWR);
  accepting_.join();
  {
    const std::scoped_lock lock(mutex_);
    for (const int one : sockets_) shutdown(one, SHUT_RDWR);
  }
  for (std::thread& one : serving_) one.join();
  close(listener_.socket);
}

std::string TlsServer::url(std::string_view host) const {
  return std::string(tls_ ? "https://" : "http://") + std::string(host) + ":" +
         std::to_string(listener_.port);
}

void TlsServer::accept_all() {
  for (;;) {
    const int accepted = accept4(listener_.socket, nullptr, nullptr, SOCK_CLOEXEC);
    if (accepted < 0) return;
    ++connections_;
    const std::scoped_lock lock(mutex_);
    sockets_.push_back(accepted);
    serving_.emplace_back([this, accepted] { serve_one(accepted); });
  }
}

void TlsServer::serve_one(int socket) {
  // The stream closes its own copy whenever it likes: this number stays ours until it is removed.
  if (const auto stream = ByteStream::accept(fcntl(socket, F_DUPFD_CLOEXEC, 0), tls_.get())) {
    TlsPeer peer(*stream);
    serve_(peer);
  }
  const std::scoped_lock lock(mutex_);
  sockets_.remove(socket);
  close(socket);
}

}  // namespace sluice::testing
