#include "broker/server/connection.h"

#include <array>
#include <exception>

#include "broker/server/access_control.h"
#include "broker/server/cloud_event.h"
#include "broker/server/handlers.h"
#include "broker/server/host_check.h"
#include "broker/server/limits.h"
#include "broker/server/response_head.h"
#include "common/base/log.h"

namespace sluice::broker {
namespace {

using net::ip::tcp;
using SteadyTime = std::chrono::steady_clock;
using SystemError = boost::system::error_code;

constexpr std::size_t kInputSmall = 4 * 1024;  // what an idle connection keeps
constexpr std::size_t kInputHeader = 2 * limits::kHeaderBytesMax;
constexpr std::size_t kInputBody = 64 * 1024;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

bool is_json(std::string_view content_type) {
  constexpr std::string_view kJson = "application/json";
  const std::string_view type = content_type.substr(0, content_type.find(';'));
  const std::size_t end = type.find_last_not_of(" \t");
  const std::string_view name = type.substr(0, end == std::string_view::npos ? 0 : end + 1);
  return std::equal(name.begin(), name.end(), kJson.begin(), kJson.end(), [](char a, char b) {
    return (a >= 'A' && a <= 'Z' ? static_cast<char>(a | 0x20) : a) == b;
  });
}

Response header_too_large(const Request& request) {
  return problem_response(
      api::Problem{.type = "https://sluice.dev/errors#header-too-large",
                   .title = "header too large",
                   .status = 431,
                   .detail = "a request's header has at most " +
                             std::to_string(limits::kHeaderBytesMax) + " bytes"},
      request.path());
}

Response method_not_allowed(const Request& request, std::string allow) {
  Response response =
      problem_response(api::Problem{.type = "https://sluice.dev/errors#method-not-allowed",
                                    .title = "method not allowed",
                                    .status = 405,
                                    .detail = "this path takes " + allow},
                       request.path());
  response.allow = std::move(allow);
  return response;
}

}  // namespace

// A request's share of the memory for bodies, given back when the request is over.
class Connection::BodyMemory {
 public:
  explicit BodyMemory(std::atomic<std::size_t>& total) : total_(total) {}
  ~BodyMemory() { total_ -= held_; }
  BodyMemory(const BodyMemory&) = delete;
  BodyMemory& operator=(const BodyMemory&) = delete;

  // False when all requests together would hold too much.
  bool grow_to(std::size_t bytes) {
    if (bytes <= held_) return true;
    const std::size_t more = bytes - held_;
    if (total_.fetch_add(more) + more > limits::kRequestMemoryBytesMax) {
      total_ -= more;
      return false;
    }
    held_ = bytes;
    return true;
  }

 private:
  std::atomic<std::size_t>& total_;
  std::size_t held_ = 0;
};

Connection::Connection(tcp::socket socket, TlsSession session, NetThread& thread,
                       Services& services, const ConnectionTimes& times)
    : socket_(std::move(socket)),
      thread_(thread),
      services_(services),
      times_(times),
      input_(kInputSmall),
      unwatched_(thread.io) {
  SystemError ignored;
  socket_.non_blocking(true, ignored);
  if (session) tls_.emplace(socket_, std::move(session));
  expire_after(times_.idle_max);
  thread_.connections.insert(this);
}

Connection::~Connection() {
  thread_.connections.erase(this);
}

Task<void> Connection::run() {
  try {
    bool open = true;
    if (tls_) {
      expire_after(times_.header_max);
      open = co_await tls_->handshake();
    }
    while (open) open = co_await serve_one();
    if (lingers_) co_await linger();
  } catch (const std::exception& e) {
    // Of the library's making (out of memory); this connection alone is given up.
    log_error("connection failed", {{"error", e.what()}});
  }
  SystemError ignored;
  if (tls_) tls_->shut_down();
  socket_.close(ignored);
}

void Connection::sweep(SteadyTime::time_point now) {
  if (now >= expires_at_) abort();
}

void Connection::drain() {
  if (between_requests_) abort();
}

void Connection::abort() {
  SystemError ignored;
  socket_.close(ignored);
}

void Connection::expire_after(SteadyTime::duration time) {
  expires_at_ = SteadyTime::now() + time;
}

// --- one request -------------------------------------------------------------------------------

// False when the connection is to be closed.
Task<bool> Connection::serve_one() {
  parser_.reset();
  const Progress header = co_await read_header();
  Request& request = parser_.request();
  if (header == Progress::kNeedMore) co_return false;  // the client went, or was too slow
  if (header != Progress::kHeader) {
    Response refusal = header == Progress::kHeaderTooLarge
                           ? header_too_large(request)
                           : problem_response(Error{ErrorCode::kInvalidArgument,
                                                    "this is not a well-formed HTTP/1.1 request"},
                                              request.path());
    services_.metrics.request({}, refusal.status, {});
    lingers_ = true;
    co_await write(request, refusal, false);
    co_return false;
  }
  never_expire();
  const auto began = SteadyTime::now();
  std::optional<Route> route;
  bool streamed = false;
  Response response = co_await answer(request, route, streamed);
  services_.metrics.request(route, response.status, SteadyTime::now() - began);
  if (streamed || gone_) {
    if (response.undelivered) response.undelivered();
    co_return false;
  }
  const bool keep_alive = request.keep_alive && !response.close && !thread_.draining;
  head_.clear();
  append_response_head(head_, response, keep_alive, request.http_1_0);
  const std::size_t sent = send_now(head_, response.body);
  bool written = sent == head_.size() + response.body.size();
  if (!written) written = co_await write_all(head_, response.body, sent);
  if (!written && response.undelivered) response.undelivered();
  co_return written&& keep_alive;
}

Task<Connection::Progress> Connection::read_header() {
  between_requests_ = begin_ == end_;
  if (between_requests_ && thread_.draining) co_return Progress::kNeedMore;
  if (between_requests_ && input_.size() > kInputSmall) {
    input_ = std::vector<char>(kInputSmall);
    begin_ = end_ = 0;
  }
  expire_after(between_requests_ ? times_.idle_max : times_.header_max);
  while (true) {
    if (begin_ < end_) {
      const Progress progress = feed();
      if (progress != Progress::kNeedMore) co_return progress;
    }
    if (!make_room(kInputHeader)) co_return Progress::kHeaderTooLarge;
    if (!co_await read_more()) co_return Progress::kNeedMore;
    if (between_requests_) expire_after(times_.header_max);
    between_requests_ = false;
  }
}

Task<Connection::Progress> Connection::read_body(BodyMemory& memory) {
  while (true) {
    if (!memory.grow_to(parser_.request().body.size())) co_return Progress::kTooLarge;
    // A chunk's head that does not fit is nobody's honest chunk.
    if (!make_room(kInputBody)) co_return Progress::kBroken;
    expire_after(times_.silence_max);
    if (!co_await read_more()) {
      gone_ = true;
      co_return Progress::kNeedMore;
    }
    const Progress progress = feed();
    if (progress != Progress::kNeedMore) {
      never_expire();
      co_return progress;
    }
  }
}

std::size_t Connection::body_bytes_max(const RouteMatch& match) const {
  switch (match.route) {
    case Route::kEnqueueBatch:
    case Route::kSettle:
      return limits::kBatchBytesMax;
    case Route::kEnqueue: {
      const auto entry = services_.directory.find(match.queue);
      const auto payload = entry ? entry->payload_bytes_max : api::PayloadLimits{}.max_bytes;
      return static_cast<std::size_t>(payload) + limits::kJobOverheadBytesMax;
    }
    default:
      return limits::kBodyBytesMax;
  }
}

std::optional<Response> Connection::refuse_by_header(const Request& request,
                                                     const RouteMatch& match, BodyMemory& memory) {
  if (const auto known = known_parameters(match.route)) {
    const auto query = Query::parse(request.target, *known);
    if (!query) return problem_response(query.error(), request.path());
  }
  const BodyRule rule = info(match.route).body;
  const auto refuse = [&](ErrorCode code, std::string message) {
    return problem_response(Error{code, std::move(message)}, request.path());
  };
  if (!request.has_body) {
    if (rule != BodyRule::kJson) return {};
    return refuse(ErrorCode::kInvalidArgument, "this call needs a JSON body");
  }
  if (rule == BodyRule::kNone) {
    return refuse(ErrorCode::kInvalidArgument, "this call takes no body");
  }
  const bool is_event = match.route == Route::kEnqueue && is_cloud_event(request.content_type);
  if (!is_event && !is_json(request.content_type)) {
    return refuse(ErrorCode::kUnsupportedMedia,
                  "send the body as JSON, with the header Content-Type: application/json");
  }
  const std::size_t limit = body_bytes_max(match);
  if (request.content_length.value_or(0) > limit) {
    return refuse(ErrorCode::kTooLarge,
                  "the body may have at most " + std::to_string(limit) + " bytes");
  }
  if (!memory.grow_to(request.content_length.value_or(0))) {
    return refuse(ErrorCode::kUnavailable, "too many requests are being read: try again");
  }
  parser_.set_body_limit(limit);
  return {};
}

Task<std::optional<Response>> Connection::refuse_caller(const Request& request,
                                                        const RouteMatch& match) {
  const Status allowed = co_await services_.access->check(request, match);
  if (allowed) co_return std::nullopt;
  co_return refuse_access(allowed.error(), request.path());
}

Task<Response> Connection::answer(Request& request, std::optional<Route>& route, bool& streamed) {
  // A refusal before the body was read ends the connection: what follows is not a request.
  const auto early = [&](Response response) {
    response.close = response.close || request.has_body;
    lingers_ = request.has_body;
    return response;
  };
  const auto early_error = [&](Error error) {
    return early(problem_response(error, request.path()));
  };
  if (services_.loopback_names_only && !is_loopback_host(request.host)) {
    co_return early_error({ErrorCode::kPermissionDenied,
                           "without authentication only loopback Host names are served"});
  }
  std::string allow;
  const auto match = match_route(request.method, request.path(), allow);
  if (!match && !allow.empty()) {
    Response response = method_not_allowed(request, std::move(allow));
    response.close = request.method == Method::kOther;  // a HEAD's reader expects no body
    co_return early(std::move(response));
  }
  if (!match) co_return early_error(match.error());
  route = match->route;
  if (services_.access != nullptr) {
    if (auto refusal = co_await refuse_caller(request, *match)) {
      co_return early(*std::move(refusal));
    }
  }
  if (is_callback_queue(match->queue) && is_closed_for_callbacks(match->route)) {
    co_return early_error({ErrorCode::kInvalidArgument,
                           std::string(kCallbackQueueName) +
                               " is the broker's own queue: it makes, fills and works it",
                           "queue"});
  }

  BodyMemory memory(services_.request_bytes);
  if (auto refusal = refuse_by_header(request, *match, memory)) {
    co_return early(*std::move(refusal));
  }
  if (request.has_body) {
    if (request.expects_continue && begin_ == end_) {
      if (!co_await send(kContinue)) co_return Response{.close = true};
    }
    Progress progress = feed();  // mostly it came with the header
    if (progress == Progress::kNeedMore) progress = co_await read_body(memory);
    if (progress == Progress::kTooLarge) {
      co_return early_error({ErrorCode::kTooLarge, "the body is too large"});
    }
    if (progress != Progress::kDone) {
      co_return early_error({ErrorCode::kInvalidArgument, "the body's framing is malformed"});
    }
  }
  Call call{services_, thread_, request, *match, *this};
  if (const Handler handler = handler_of(match->route)) co_return co_await handler(call);
  if (const auto namespaces = namespaces_of(request.target); !namespaces) {
    co_return early_error(namespaces.error());
  }
  if (request.http_1_0) {
    co_return early_error({ErrorCode::kInvalidArgument, "a stream needs HTTP/1.1"});
  }
  if (match->route == Route::kEvents) {
    const Status done = co_await stream_events(call);
    if (!done) co_return early_error(done.error());
  } else {
    co_await stream_signals(call);
  }
  streamed = true;
  co_return Response{};
}

// --- bytes -------------------------------------------------------------------------------------

Connection::Progress Connection::feed() {
  std::size_t consumed = 0;
  const Progress progress = parser_.feed({input_.data() + begin_, end_ - begin_}, consumed);
  begin_ += consumed;
  return progress;
}

// Room for at least one more byte; false when `capacity_max` bytes wait already.
bool Connection::make_room(std::size_t capacity_max) {
  if (begin_ > 0) {
    std::copy(input_.begin() + static_cast<std::ptrdiff_t>(begin_),
              input_.begin() + static_cast<std::ptrdiff_t>(end_), input_.begin());
    end_ -= begin_;
    begin_ = 0;
  }
  // What a big body fills in one read deserves a bigger one.
  const bool filled = end_ == input_.size() || capacity_max > kInputHeader;
  if (filled && input_.size() < capacity_max) input_.resize(capacity_max);
  return end_ < input_.size();
}

Task<bool> Connection::read_more() {
  SystemError error;
  const auto space = net::buffer(input_.data() + end_, input_.size() - end_);
  if (tls_) {
    end_ += co_await tls_->read_some(space, error);
  } else {
    end_ += co_await socket_.async_read_some(space, net::redirect_error(net::use_awaitable, error));
  }
  co_return !error;
}

Task<bool> Connection::write(const Request& request, Response& response, bool keep_alive) {
  head_.clear();
  append_response_head(head_, response, keep_alive, request.http_1_0);
  co_return co_await write_all(head_, response.body, 0);
}

Task<bool> Connection::send(std::string_view bytes) {
  co_return co_await write_all(bytes, {}, 0);
}

// How many bytes the kernel took at once: all of them, unless the client reads slowly.
std::size_t Connection::send_now(std::string_view head, std::string_view body) {
  if (tls_) return 0;
  SystemError error;
  const std::array<net::const_buffer, 2> parts = {net::buffer(head), net::buffer(body)};
  const std::size_t sent = socket_.write_some(parts, error);
  return error ? 0 : sent;  // an error comes again, to who waits
}

// Sends what is left of both after the `sent` bytes; its time counts from the last byte that was
// taken.
Task<bool> Connection::write_all(std::string_view head, std::string_view body, std::size_t sent) {
  while (true) {
    const std::size_t of_head = std::min(sent, head.size());
    head.remove_prefix(of_head);
    body.remove_prefix(sent - of_head);
    if (head.empty() && body.empty()) break;
    const std::array<net::const_buffer, 2> parts = {net::buffer(head), net::buffer(body)};
    expire_after(times_.silence_max);
    SystemError error;
    if (tls_) {
      sent = co_await tls_->write_some(head, body, error);
    } else {
      sent =
          co_await socket_.async_write_some(parts, net::redirect_error(net::use_awaitable, error));
    }
    if (error) {
      gone_ = true;
      co_return false;
    }
  }
  never_expire();
  co_return true;
}

// Reads on for a moment after a refusal: closing with unread bytes would make the kernel reset the
// connection, and the client would not see why.
Task<void> Connection::linger() {
  SystemError error;
  if (tls_) tls_->shut_down();
  socket_.shutdown(tcp::socket::shutdown_send, error);
  expire_after(limits::kLingerMax);
  std::size_t read = 0;
  while (!error && read < limits::kLingerBytesMax) {
    begin_ = end_ = 0;
    if (!co_await read_more()) break;
    read += end_;
  }
}

// --- watching for the client's going -----------------------------------------------------------

void Connection::watch(Sleeper& sleeper) {
  watcher_ = &sleeper;
  never_expire();
  read_watched();
}

void Connection::read_watched() {
  // A client that sends requests without end while it waits is not read any further.
  if (!make_room(kInputHeader)) return;
  watching_ = true;
  const auto space = net::buffer(input_.data() + end_, input_.size() - end_);
  const auto on_read = [this](SystemError error, std::size_t bytes) {
    watching_ = false;
    end_ += bytes;
    if (unwatching_) {
      gone_ = gone_ || (error && error != net::error::operation_aborted);
      unwatched_.cancel();
    } else if (error) {
      gone_ = true;
      watcher_->wake();
    } else {
      read_watched();
    }
  };
  if (tls_) {
    tls_->start_read(space, on_read);
  } else {
    socket_.async_read_some(space, on_read);
  }
}

Task<void> Connection::unwatch() {
  unwatching_ = true;
  SystemError ignored;
  if (watching_ && tls_) tls_->cancel_read();
  if (watching_ && !tls_) socket_.cancel(ignored);
  while (watching_) {
    unwatched_.expires_at(SteadyTime::time_point::max());
    co_await unwatched_.async_wait(net::redirect_error(net::use_awaitable, ignored));
  }
  unwatching_ = false;
  watcher_ = nullptr;
}

}  // namespace sluice::broker
