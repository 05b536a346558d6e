#include "operator/kube/operator_server.h"

#include <boost/asio.hpp>
#include <boost/beast.hpp>
#include <exception>
#include <thread>
#include <utility>

namespace sluice::kube {
namespace {

namespace net = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;
using net::ip::tcp;

constexpr std::chrono::seconds kRequestTimeout{5};
constexpr std::size_t kHeaderBytesMax = 8 * 1024;

using Answer = http::response<http::string_body>;

Answer answer_of(const http::request<http::empty_body>& request, const ServerAnswers& answers) {
  Answer answer{http::status::ok, request.version()};
  answer.set(http::field::content_type, "text/plain; version=0.0.4; charset=utf-8");
  const auto path = request.target().substr(0, request.target().find('?'));
  if (request.method() != http::verb::get && request.method() != http::verb::head) {
    answer.result(http::status::method_not_allowed);
  } else if (path == "/metrics") {
    answer.body() = answers.metrics();
  } else if (path == "/healthz") {
    answer.body() = "ok\n";
  } else if (path == "/readyz") {
    const bool is_ready = answers.is_ready();
    answer.body() = is_ready ? "ok\n" : "starting\n";
    if (!is_ready) answer.result(http::status::service_unavailable);
  } else {
    answer.result(http::status::not_found);
  }
  answer.keep_alive(request.keep_alive());
  answer.prepare_payload();
  if (request.method() == http::verb::head) answer.body().clear();
  return answer;
}

net::awaitable<void> serve(tcp::socket socket, const ServerAnswers& answers) {
  beast::tcp_stream stream(std::move(socket));
  beast::flat_buffer buffer;
  error_code error;
  while (true) {
    http::request_parser<http::empty_body> parser;
    parser.header_limit(kHeaderBytesMax);
    stream.expires_after(kRequestTimeout);
    co_await http::async_read(stream, buffer, parser,
                              net::redirect_error(net::use_awaitable, error));
    if (error) co_return;
    const Answer answer = answer_of(parser.get(), answers);
    http::serializer<false, http::string_body> serializer(answer);
    stream.expires_after(kRequestTimeout);
    co_await http::async_write(stream, serializer, net::redirect_error(net::use_awaitable, error));
    if (error || !answer.keep_alive()) co_return;
  }
}

net::awaitable<void> accept(tcp::acceptor& acceptor, const ServerAnswers& answers) {
  net::steady_timer breath(acceptor.get_executor());
  while (true) {
    error_code error;
    auto socket = co_await acceptor.async_accept(net::redirect_error(net::use_awaitable, error));
    if (error == net::error::operation_aborted) co_return;
    if (!error) {
      net::co_spawn(acceptor.get_executor(), serve(std::move(socket), answers), net::detached);
      continue;
    }
    // Out of descriptors: the next try is no better at once.
    breath.expires_after(std::chrono::milliseconds{100});
    co_await breath.async_wait(net::redirect_error(net::use_awaitable, error));
  }
}

}  // namespace

class OperatorServer::Listener {
 public:
  explicit Listener(ServerAnswers answers) : answers_(std::move(answers)) {}
  ~Listener() {
    io_.stop();
    if (thread_.joinable()) thread_.join();
  }

  Status listen(const std::string& address, std::uint16_t port) {
    error_code error;
    const auto refuse = [&](const char* what) {
      return Error{ErrorCode::kUnavailable, std::string(what) + " " + address + ":" +
                                                std::to_string(port) + ": " + error.message()};
    };
    const tcp::endpoint endpoint(net::ip::make_address(address, error), port);
    if (error) return refuse("no address");
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(net::socket_base::max_listen_connections, error);
    if (error) return refuse("cannot listen on");
    net::co_spawn(io_, accept(acceptor_, answers_), net::detached);
    thread_ = std::thread([this] { io_.run(); });
    return Ok{};
  }

  std::uint16_t port() const {
    error_code error;
    return acceptor_.local_endpoint(error).port();
  }

 private:
  const ServerAnswers answers_;
  net::io_context io_{1};
  tcp::acceptor acceptor_{io_};
  std::thread thread_;
};

OperatorServer::OperatorServer(std::unique_ptr<Listener> listener)
    : listener_(std::move(listener)) {}
OperatorServer::~OperatorServer() = default;

Result<std::unique_ptr<OperatorServer>> OperatorServer::start(const std::string& address,
                                                              std::uint16_t port,
                                                              ServerAnswers answers) {
  auto listener = std::make_unique<Listener>(std::move(answers));
  const Status listening = listener->listen(address, port);
  if (!listening) return listening.error();
  return std::unique_ptr<OperatorServer>(new OperatorServer(std::move(listener)));
}

std::uint16_t OperatorServer::port() const {
  return listener_->port();
}

}  // namespace sluice::kube
