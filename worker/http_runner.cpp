#include "worker/http_runner.h"

#include <poll.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <limits>
#include <map>
#include <thread>
#include <utility>
#include <vector>

#include "common/base/log.h"
#include "worker/http_outcome.h"

namespace sluice::worker {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http1 = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr std::chrono::milliseconds kLookWhileClosed{100};
constexpr std::chrono::seconds kLookWhileOpen{1};
constexpr std::chrono::seconds kLookTimeout{1};
constexpr std::size_t kHeaderBytesMax = 64 * 1024;
constexpr std::size_t kErrorBodyBytesMin = 4 * 1024;  // kept even where results must be smaller
constexpr int kInterimRepliesMax = 10;                // 1xx, before the one that counts

template <typename T>
using Task = asio::awaitable<T>;
using ReplyParser = http1::response_parser<http1::string_body>;

auto into(error_code& error) {
  return asio::redirect_error(asio::use_awaitable, error);
}

struct Connection {
  explicit Connection(asio::io_context& io) : stream(io) {}

  // False once the peer has closed, or has sent something nobody asked for.
  bool is_quiet() {
    pollfd readable{stream.socket().native_handle(), POLLIN, 0};
    return buffer.size() == 0 && poll(&readable, 1, 0) == 0;
  }

  beast::tcp_stream stream;
  beast::flat_buffer buffer;
};

// How far one try to deliver a job came.
struct Try {
  error_code error;
  bool connected = false;
  bool reply_began = false;
  bool reusable = false;
  HttpReply reply;
};

// The peer's kernel had bytes of ours that its program never read.
bool was_never_read(const Try& tried) {
  return !tried.reply_began &&
         (tried.error == asio::error::connection_reset || tried.error == asio::error::broken_pipe);
}

bool is_header_text(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

std::string text_of(boost::beast::string_view text) {
  return {text.data(), text.size()};
}

// The body of a job's request. The bytes of payload and results are those that were enqueued and
// settled.
std::string body_for(const api::ClaimedJob& job, bool posts_parents) {
  if (!posts_parents) return job.payload;
  return "{\"payload\":" + job.payload + ",\"parents\":" + job.parents_json + "}";
}

RunOutcome failed(std::string reason, std::string message) {
  return {.outcome = api::Outcome::kFailed,
          .error = api::RunError{.reason = std::move(reason), .message = std::move(message)}};
}

}  // namespace

// Everything below runs on the loop's thread, except what posts to it.
class HttpRunner::Loop {
 public:
  Loop(Settings settings, const Clock& clock, RunEvents events)
      : settings_(std::move(settings)),
        endpoint_(asio::ip::address_v4::loopback(), static_cast<std::uint16_t>(settings_.port)),
        clock_(clock),
        events_(std::move(events)),
        next_look_(io_) {
    asio::co_spawn(io_, watch_port(), asio::detached);
    thread_ = std::thread([this] { io_.run(); });
  }
  ~Loop() {
    io_.stop();
    thread_.join();
    idle_.clear();  // before io_ goes
  }
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  template <typename Action>
  void post(Action action) {
    asio::post(io_, std::move(action));
  }

  void start(api::ClaimedJob job) { asio::co_spawn(io_, serve(std::move(job)), asio::detached); }

  void stop(const std::string& id, StopCause cause) {
    if (const auto run = runs_.find(id); run != runs_.end()) run->second->stop(cause);
  }

  void mark_all() {
    for (auto& [id, run] : runs_) {
      if (run->stopped_by == StopCause::kNone) run->stopped_by = StopCause::kShutdown;
    }
  }

  void stop_all() {
    for (auto& [id, run] : runs_) run->stop(StopCause::kShutdown);
  }

 private:
  struct Run {
    // Also ends what a run that was only marked is doing.
    void stop(StopCause cause) {
      if (stopped_by == StopCause::kNone || cause == StopCause::kLeaseLost) stopped_by = cause;
      closed = true;
      if (connection != nullptr) connection->stream.close();
    }

    api::ClaimedJob job;
    SteadyPoint timeout_at;
    StopCause stopped_by = StopCause::kNone;
    bool closed = false;
    Connection* connection = nullptr;
  };

  Task<void> serve(api::ClaimedJob job);
  Task<std::optional<RunOutcome>> deliver(Run& run);
  Task<Try> attempt(Run& run, Connection& connection, bool is_open);
  Task<void> read_reply(Connection& connection, Try& tried);
  Task<void> read_body(Connection& connection, ReplyParser& parser, Try& tried);
  http1::request<http1::string_body> request_for(const api::ClaimedJob& job) const;
  std::optional<RunOutcome> judge(const Run& run, const Try& tried) const;

  std::unique_ptr<Connection> take_idle();
  void drop_closed();
  Task<void> watch_port();
  Task<bool> accepts_connections();
  void set_accepting(bool accepting);

  const Settings settings_;
  const tcp::endpoint endpoint_;
  const Clock& clock_;
  const RunEvents events_;

  std::map<std::string, Run*> runs_;  // they live in their coroutines
  std::vector<std::unique_ptr<Connection>> idle_;
  std::optional<bool> accepting_;  // absent: not looked yet

  asio::io_context io_{1};  // its coroutines go first: they use the members above
  asio::steady_timer next_look_;
  std::thread thread_;
};

// --- one job ---

Task<void> HttpRunner::Loop::serve(api::ClaimedJob job) {
  Run run;
  run.timeout_at = clock_.now().steady + std::chrono::seconds{std::max(job.timeout_seconds, 1)};
  run.job = std::move(job);
  if (!settings_.posts_parents) run.job.parents_json = {};
  runs_[run.job.id] = &run;

  auto outcome = co_await deliver(run);

  // Another claim of the job may have begun meanwhile.
  if (const auto held = runs_.find(run.job.id); held != runs_.end() && held->second == &run) {
    runs_.erase(held);
  }
  if (outcome && outcome->error) {
    log_info(
        "run failed",
        {{"job", run.job.id}, {"attempt", run.job.attempt}, {"reason", outcome->error->reason}});
  }
  events_.on_end(run.job, std::move(outcome));
}

Task<std::optional<RunOutcome>> HttpRunner::Loop::deliver(Run& run) {
  bool was_sent = false;
  for (;;) {
    std::unique_ptr<Connection> connection = was_sent ? nullptr : take_idle();
    const bool was_idle = connection != nullptr;
    if (!was_idle) connection = std::make_unique<Connection>(io_);

    run.connection = connection.get();
    const Try tried = co_await attempt(run, *connection, was_idle);
    run.connection = nullptr;

    if (tried.reusable) idle_.push_back(std::move(connection));
    const bool is_ours_to_end = run.closed || tried.error == beast::error::timeout;
    if (!tried.connected && !is_ours_to_end) {
      // Nobody is there (or we are short of sockets). Only a job that no server has seen goes back
      // without counting.
      set_accepting(false);
      if (!was_sent) co_return RunOutcome{.outcome = api::Outcome::kReleased};
    }
    // The server closed the idle connection while we were writing: it never saw the job.
    if (was_idle && was_never_read(tried) && !is_ours_to_end) {
      was_sent = true;
      continue;
    }
    co_return judge(run, tried);
  }
}

Task<Try> HttpRunner::Loop::attempt(Run& run, Connection& connection, bool is_open) {
  Try tried;
  connection.stream.expires_after(
      std::max<Duration>(run.timeout_at - clock_.now().steady, Duration::zero()));
  if (!is_open) {
    co_await connection.stream.async_connect(endpoint_, into(tried.error));
    if (tried.error) co_return tried;
    error_code ignored;
    connection.stream.socket().set_option(tcp::no_delay(true), ignored);
  }
  tried.connected = true;
  if (run.closed) {
    tried.error = asio::error::operation_aborted;
    co_return tried;
  }

  const auto message = request_for(run.job);
  co_await http1::async_write(connection.stream, message, into(tried.error));
  // A server that refuses a body early answers and closes while we still write.
  const error_code write_error = tried.error;
  const bool is_closed_early =
      write_error == asio::error::connection_reset || write_error == asio::error::broken_pipe;
  if (write_error && !is_closed_early) co_return tried;
  co_await read_reply(connection, tried);
  if (is_closed_early && !tried.reply_began) tried.error = write_error;
  connection.stream.expires_never();
  co_return tried;
}

Task<void> HttpRunner::Loop::read_reply(Connection& connection, Try& tried) {
  for (int interim = 0; interim <= kInterimRepliesMax; ++interim) {
    ReplyParser parser;
    parser.header_limit(kHeaderBytesMax);
    parser.body_limit(std::numeric_limits<std::uint64_t>::max());  // the header has yet to say
    tried.error = {};
    co_await http1::async_read_header(connection.stream, connection.buffer, parser,
                                      into(tried.error));
    tried.reply_began = tried.reply_began || parser.got_some();
    if (tried.error) co_return;
    auto& message = parser.get();
    if (message.result_int() < 200 && message.result_int() != 101) continue;

    tried.reply.status = static_cast<int>(message.result_int());
    tried.reply.retry_after = text_of(message[http1::field::retry_after]);
    tried.reply.content_type = text_of(message[http1::field::content_type]);
    co_await read_body(connection, parser, tried);
    if (tried.error) co_return;
    tried.reusable = parser.is_done() && parser.keep_alive() && connection.buffer.size() == 0;
    tried.reply.body = std::move(message.body());
    co_return;
  }
  tried.error = http1::error::bad_status;
}

Task<void> HttpRunner::Loop::read_body(Connection& connection, ReplyParser& parser, Try& tried) {
  const std::size_t bytes_max = std::max(
      body_bytes_max(tried.reply.status, tried.reply.content_type, settings_.result_bytes_max),
      kErrorBodyBytesMin);
  tried.reply.body_cut = parser.content_length().value_or(0) > bytes_max;
  if (tried.reply.body_cut || parser.is_done()) co_return;
  parser.body_limit(bytes_max);
  co_await http1::async_read(connection.stream, connection.buffer, parser, into(tried.error));
  if (tried.error != http1::error::body_limit) co_return;
  tried.reply.body_cut = true;
  tried.error = {};
}

http1::request<http1::string_body> HttpRunner::Loop::request_for(const api::ClaimedJob& job) const {
  http1::request<http1::string_body> message{http1::verb::post, settings_.path, 11};
  message.set(http1::field::host, "127.0.0.1:" + std::to_string(settings_.port));
  message.set(http1::field::user_agent, "sluice-worker");
  message.set(http1::field::content_type, "application/json");
  const std::pair<const char*, std::string> facts[] = {
      {"Sluice-Job-Id", job.id},
      {"Sluice-Queue", settings_.queue},
      {"Sluice-Attempt", std::to_string(job.attempt)},
      {"Sluice-Deadline", job.deadline},
      {"traceparent", job.traceparent}};
  for (const auto& [name, value] : facts) {
    if (!value.empty() && is_header_text(value)) message.set(name, value);
  }
  message.body() = body_for(job, settings_.posts_parents);
  message.prepare_payload();
  return message;
}

std::optional<RunOutcome> HttpRunner::Loop::judge(const Run& run, const Try& tried) const {
  const bool is_timeout = tried.error == beast::error::timeout;
  if (run.stopped_by == StopCause::kLeaseLost) return std::nullopt;
  if (!tried.error && !run.closed) {
    RunOutcome outcome = judge_reply(tried.reply, settings_.result_bytes_max, clock_.now().wall);
    const bool is_leaving = run.stopped_by == StopCause::kShutdown;
    // A server that is being ended may refuse work it would otherwise have done.
    if (is_leaving && outcome.error) return RunOutcome{.outcome = api::Outcome::kReleased};
    return outcome;
  }
  if (run.stopped_by == StopCause::kCancelled) return failed("Cancelled", "cancelled");
  if (is_timeout) {
    return failed("Timeout", "ran longer than " + std::to_string(run.job.timeout_seconds) + " s");
  }
  if (run.stopped_by == StopCause::kShutdown) return RunOutcome{.outcome = api::Outcome::kReleased};
  const bool is_end = tried.error == http1::error::end_of_stream || was_never_read(tried);
  if (is_end) return failed("ConnectionLost", "the server closed the connection without a reply");
  if (tried.error.category() == make_error_code(http1::error::bad_status).category()) {
    return failed("BadResponse", "the server's reply: " + tried.error.message());
  }
  return failed("ConnectionLost", "the connection to the server: " + tried.error.message());
}

// --- the port ---

std::unique_ptr<Connection> HttpRunner::Loop::take_idle() {
  std::unique_ptr<Connection> taken;
  while (!taken && !idle_.empty()) {
    if (idle_.back()->is_quiet()) taken = std::move(idle_.back());
    idle_.pop_back();
  }
  return taken;
}

void HttpRunner::Loop::drop_closed() {
  std::erase_if(idle_, [](const auto& connection) { return !connection->is_quiet(); });
}

Task<void> HttpRunner::Loop::watch_port() {
  for (;;) {
    drop_closed();
    // A connection that is open says as much as a new one would.
    const bool is_seen = accepting_ == true && (!runs_.empty() || !idle_.empty());
    if (!is_seen) {
      const bool accepts = co_await accepts_connections();
      set_accepting(accepts);
    }
    next_look_.expires_after(accepting_ == true ? std::chrono::milliseconds{kLookWhileOpen}
                                                : kLookWhileClosed);
    error_code woken;
    co_await next_look_.async_wait(into(woken));
  }
}

// Connects and hangs up: a server of one thread could not serve others beside a silent connection.
Task<bool> HttpRunner::Loop::accepts_connections() {
  beast::tcp_stream stream(io_);
  stream.expires_after(kLookTimeout);
  error_code error;
  co_await stream.async_connect(endpoint_, into(error));
  co_return !error;
}

void HttpRunner::Loop::set_accepting(bool accepting) {
  if (accepting_ == accepting) return;
  accepting_ = accepting;
  log_info(accepting ? "the handler accepts connections" : "the handler accepts no connections",
           {{"port", settings_.port}});
  if (!accepting) next_look_.cancel();  // look often from now on
  events_.on_startable(accepting);
}

// --- what the worker calls ---

HttpRunner::HttpRunner(Settings settings, const Clock& clock, RunEvents events)
    : loop_(std::make_unique<Loop>(std::move(settings), clock, std::move(events))) {}
HttpRunner::~HttpRunner() = default;

void HttpRunner::start(api::ClaimedJob job) {
  loop_->post(
      [loop = loop_.get(), job = std::move(job)]() mutable { loop->start(std::move(job)); });
}

void HttpRunner::cancel(const std::string& id) {
  loop_->post([loop = loop_.get(), id] { loop->stop(id, StopCause::kCancelled); });
}

void HttpRunner::lose(const std::string& id) {
  loop_->post([loop = loop_.get(), id] { loop->stop(id, StopCause::kLeaseLost); });
}

void HttpRunner::terminate_all() {
  loop_->post([loop = loop_.get()] { loop->mark_all(); });
}

void HttpRunner::kill_all() {
  loop_->post([loop = loop_.get()] { loop->stop_all(); });
}

}  // namespace sluice::worker
