#include "common/http/resolve.h"

#include <ares.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

namespace sluice::http {
namespace {

using Addresses = std::vector<std::string>;

// Of one question to one server; the whole is bounded by the caller's deadline.
constexpr int kQuestionMilliseconds = 2000;
constexpr int kTriesMax = 4;

bool is_numeric(const std::string& host) {
  in6_addr address;
  return inet_pton(AF_INET, host.c_str(), &address) == 1 ||
         inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

// RFC 6761: whatever a server would say.
bool is_localhost(const std::string& host) {
  return strcasecmp(host.c_str(), "localhost") == 0 || strcasecmp(host.c_str(), "localhost.") == 0;
}

Addresses addresses_of(const ares_addrinfo& found) {
  Addresses addresses;
  for (const ares_addrinfo_node* one = found.nodes; one != nullptr; one = one->ai_next) {
    char text[INET6_ADDRSTRLEN];
    const void* bytes = one->ai_family == AF_INET6
                            ? static_cast<const void*>(
                                  &reinterpret_cast<const sockaddr_in6*>(one->ai_addr)->sin6_addr)
                            : &reinterpret_cast<const sockaddr_in*>(one->ai_addr)->sin_addr;
    if (inet_ntop(one->ai_family, bytes, text, sizeof text) == nullptr) continue;
    if (std::find(addresses.begin(), addresses.end(), text) == addresses.end()) {
      addresses.emplace_back(text);
    }
  }
  return addresses;
}

// One question to c-ares. Its channel goes before the answer that the callback fills.
class Question {
 public:
  Question() {
    static const int library = ares_library_init(ARES_LIB_INIT_ALL);
    if (library != ARES_SUCCESS) return;
    ares_options options{};
    options.timeout = kQuestionMilliseconds;
    options.tries = kTriesMax;
    if (ares_init_options(&channel_, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES) !=
        ARES_SUCCESS) {
      channel_ = nullptr;
    }
  }
  ~Question() {
    if (channel_ != nullptr) ares_destroy(channel_);
  }
  Question(const Question&) = delete;
  Question& operator=(const Question&) = delete;

  bool is_ready() const { return channel_ != nullptr; }

  void ask(const std::string& host) {
    ares_addrinfo_hints hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    ares_getaddrinfo(channel_, host.c_str(), nullptr, &hints, &Question::on_answer, this);
  }

  bool is_answered() const { return answer_.has_value(); }
  Result<Addresses> take() { return *std::move(answer_); }

  // Waits for what comes first: a server, c-ares' own timer, `until`, or `cancelled`; false then.
  bool step(AddressLookup::Deadline until, int cancelled) {
    ares_socket_t sockets[ARES_GETSOCK_MAXNUM];
    const auto wanted = static_cast<unsigned>(ares_getsock(channel_, sockets, ARES_GETSOCK_MAXNUM));
    pollfd waits[ARES_GETSOCK_MAXNUM + 1] = {{cancelled, POLLIN, 0}};
    nfds_t count = 1;
    for (int i = 0; i < ARES_GETSOCK_MAXNUM; ++i) {
      short events = 0;
      if (ARES_GETSOCK_READABLE(wanted, i)) events |= POLLIN;
      if (ARES_GETSOCK_WRITABLE(wanted, i)) events |= POLLOUT;
      if (events != 0) waits[count++] = {sockets[i], events, 0};
    }
    poll(waits, count, wait_milliseconds(until));
    if (waits[0].revents != 0) return false;

    ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);  // its timers
    for (nfds_t i = 1; i < count; ++i) {
      const short events = waits[i].revents;
      if (events == 0) continue;
      const bool writable = (events & POLLOUT) != 0;
      const bool readable = (events & ~POLLOUT) != 0;
      ares_process_fd(channel_, readable ? waits[i].fd : ARES_SOCKET_BAD,
                      writable ? waits[i].fd : ARES_SOCKET_BAD);
    }
    return true;
  }

 private:
  static void on_answer(void* self, int status, int, ares_addrinfo* found) {
    auto& answer = static_cast<Question*>(self)->answer_;
    if (status != ARES_SUCCESS) {
      answer.emplace(Error{ErrorCode::kUnavailable, ares_strerror(status)});
      return;
    }
    Addresses addresses = addresses_of(*found);
    ares_freeaddrinfo(found);
    if (addresses.empty()) {
      answer.emplace(Error{ErrorCode::kUnavailable, "the name has no address"});
    } else {
      answer.emplace(std::move(addresses));
    }
  }

  int wait_milliseconds(AddressLookup::Deadline until) {
    using std::chrono::ceil;
    using std::chrono::milliseconds;
    const auto left = ceil<milliseconds>(until - std::chrono::steady_clock::now()).count();
    const std::int64_t bounded = std::clamp<std::int64_t>(left, 0, kQuestionMilliseconds);
    timeval most{bounded / 1000, (bounded % 1000) * 1000};
    timeval next{};
    const timeval* wait = ares_timeout(channel_, &most, &next);
    return static_cast<int>(wait->tv_sec * 1000 + (wait->tv_usec + 999) / 1000);
  }

  ares_channel channel_ = nullptr;
  std::optional<Result<Addresses>> answer_;
};

}  // namespace

AddressLookup::AddressLookup() : cancelled_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

AddressLookup::~AddressLookup() {
  if (cancelled_ >= 0) close(cancelled_);
}

Result<Addresses> AddressLookup::find(const std::string& host, Deadline deadline) {
  if (is_numeric(host)) return Addresses{host};
  if (is_localhost(host)) return Addresses{"127.0.0.1", "::1"};

  Question question;
  if (!question.is_ready() || cancelled_ < 0) {
    return Error{ErrorCode::kUnavailable, "the resolver does not start"};
  }
  question.ask(host);
  while (!question.is_answered()) {
    if (!question.step(deadline, cancelled_)) return Error{ErrorCode::kUnavailable, "cancelled"};
    if (!question.is_answered() && std::chrono::steady_clock::now() >= deadline) {
      return Error{ErrorCode::kDeadlineExceeded, "the name was not resolved in time"};
    }
  }
  return question.take();
}

void AddressLookup::cancel() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(cancelled_, &one, sizeof one);
}

}  // namespace sluice::http
