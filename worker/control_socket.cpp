#include "worker/control_socket.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "common/base/check.h"

namespace sluice::worker {
namespace {

constexpr timeval kQuestionTimeout{.tv_sec = 5, .tv_usec = 0};
constexpr int kBacklog = 16;

Error failure(const std::string& path, int number) {
  return {ErrorCode::kUnavailable, path + ": " + std::generic_category().message(number)};
}

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return Error{ErrorCode::kInvalidArgument,
                 "\"" + path + "\" is no path for a socket: it must have 1 to " +
                     std::to_string(sizeof address.sun_path - 1) + " bytes"};
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

const sockaddr* generic(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

// Absent when the peer ends, or says nothing, before the line does.
Result<std::string> read_line(int socket, std::size_t bytes_max) {
  std::string line;
  std::array<char, ControlSocket::kLineBytesMax> bytes;
  while (line.size() < bytes_max) {
    const ssize_t count = recv(socket, bytes.data(), bytes.size(), 0);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return Error{ErrorCode::kUnavailable, "no answer"};
    line.append(bytes.data(), static_cast<std::size_t>(count));
    if (const std::size_t end = line.find('\n'); end != std::string::npos) {
      return line.substr(0, end);
    }
  }
  return Error{ErrorCode::kTooLarge, "the line is too long"};
}

// Short enough for the socket's buffer: it never blocks, or the peer is gone.
void write_line(int socket, std::string line) {
  line += '\n';
  [[maybe_unused]] const ssize_t sent = send(socket, line.data(), line.size(), MSG_NOSIGNAL);
}

}  // namespace

Result<std::unique_ptr<ControlSocket>> ControlSocket::open(const std::string& path, Answer answer) {
  const auto address = address_of(path);
  if (!address) return address.error();
  Descriptor listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!listener.is_open()) return failure(path, errno);
  unlink(path.c_str());
  if (bind(listener.get(), generic(*address), sizeof *address) != 0 ||
      chmod(path.c_str(), 0666) != 0 || listen(listener.get(), kBacklog) != 0) {
    return failure(path, errno);
  }
  return std::unique_ptr<ControlSocket>(
      new ControlSocket(path, std::move(listener), std::move(answer)));
}

ControlSocket::ControlSocket(std::string path, Descriptor listener, Answer answer)
    : path_(std::move(path)),
      listener_(std::move(listener)),
      wakeup_(eventfd(0, EFD_CLOEXEC)),
      answer_(std::move(answer)) {
  CHECK(wakeup_.is_open());
  accepting_ = std::thread([this] { accept_callers(); });
}

ControlSocket::~ControlSocket() {
  const std::uint64_t one = 1;
  CHECK(write(wakeup_.get(), &one, sizeof one) == sizeof one);
  accepting_.join();
  for (Caller& caller : callers_) {
    shutdown(caller.connection.get(), SHUT_RD);  // whoever has not asked yet; answers still go out
    caller.thread.join();
  }
  unlink(path_.c_str());
}

void ControlSocket::accept_callers() {
  for (;;) {
    std::array<pollfd, 2> polled = {{{wakeup_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}}};
    if (poll(polled.data(), polled.size(), -1) < 0 && errno != EINTR) return;
    if (polled[0].revents != 0) return;
    if (polled[1].revents == 0) continue;
    Descriptor connection(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    forget_done();
    if (!connection.is_open() || callers_.size() >= kConnectionsMax) continue;
    setsockopt(connection.get(), SOL_SOCKET, SO_RCVTIMEO, &kQuestionTimeout,
               sizeof kQuestionTimeout);
    Caller& caller = callers_.emplace_back();
    caller.connection = std::move(connection);
    caller.thread = std::thread([this, &caller] { serve(caller); });
  }
}

void ControlSocket::serve(Caller& caller) {
  if (const auto question = read_line(caller.connection.get(), kLineBytesMax)) {
    write_line(caller.connection.get(), answer_(*question));
  }
  shutdown(caller.connection.get(), SHUT_RDWR);
  const std::scoped_lock lock(mutex_);
  caller.is_done = true;
}

void ControlSocket::forget_done() {
  const std::scoped_lock lock(mutex_);
  callers_.remove_if([](Caller& caller) {
    if (caller.is_done) caller.thread.join();  // it has nothing left to do
    return caller.is_done;
  });
}

Result<std::string> ask_worker(const std::string& path, std::string_view question) {
  const auto address = address_of(path);
  if (!address) return address.error();
  const Descriptor connection(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!connection.is_open() || connect(connection.get(), generic(*address), sizeof *address) != 0) {
    return failure(path, errno);
  }
  write_line(connection.get(), std::string(question));
  return read_line(connection.get(), ControlSocket::kLineBytesMax * 2);
}

}  // namespace sluice::worker
