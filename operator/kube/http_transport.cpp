// common/http switches Asio's older names off; the library's headers need them.
#undef BOOST_ASIO_NO_DEPRECATED

#include "operator/kube/http_transport.h"

#include <cpprest/http_client.h>
#include <cpprest/producerconsumerstream.h>
#include <cpprest/streams.h>
#include <openssl/ssl.h>
#include <pplx/threadpool.h>

#include <future>
#include <mutex>
#include <optional>
#include <stdexcept>

#include "common/base/log.h"

namespace sluice::kube {
namespace {

namespace streams = concurrency::streams;
using boost::asio::ip::tcp;

constexpr std::size_t kPoolThreads = 1;
// The library's timer counts silence, not the exchange; ours come first, this only backs them.
constexpr std::chrono::hours kSilenceMax{1};

boost::asio::io_service& pool() {
  static std::once_flag once;
  std::call_once(once, [] {
    try {
      crossplat::threadpool::initialize_with_threads(kPoolThreads);
    } catch (const std::exception& e) {
      log_error("the HTTP client's pool was started by somebody else", {{"error", e.what()}});
    }
  });
  return crossplat::threadpool::shared_instance().service();
}

// Where the library writes an answer's body: straight into the exchange, so that a watch's bytes
// are there as they come, and the socket is not read while nobody reads the exchange.
class ExchangeSink final : public streams::details::streambuf_state_manager<std::uint8_t> {
 public:
  explicit ExchangeSink(std::shared_ptr<HttpExchange> exchange)
      : streambuf_state_manager(std::ios_base::out), exchange_(std::move(exchange)) {}

  bool can_seek() const override { return false; }
  bool has_size() const override { return false; }
  std::size_t buffer_size(std::ios_base::openmode /*mode*/) const override { return 0; }
  void set_buffer_size(std::size_t /*size*/, std::ios_base::openmode /*mode*/) override {}
  std::size_t in_avail() const override { return 0; }
  pos_type getpos(std::ios_base::openmode /*mode*/) const override { return traits::eof(); }
  pos_type seekpos(pos_type /*pos*/, std::ios_base::openmode /*mode*/) override {
    return traits::eof();
  }
  pos_type seekoff(off_type /*offset*/, std::ios_base::seekdir /*way*/,
                   std::ios_base::openmode /*mode*/) override {
    return traits::eof();
  }
  bool acquire(std::uint8_t*& ptr, std::size_t& count) override {
    ptr = nullptr;
    count = 0;
    return false;
  }
  void release(std::uint8_t* /*ptr*/, std::size_t /*count*/) override {}

 protected:
  pplx::task<std::size_t> _putn(const std::uint8_t* ptr, std::size_t count) override {
    const pplx::task_completion_event<std::size_t> is_read;
    // The completion runs on the pool, as every other step.
    const auto when_read = [is_read, count] {
      pool().post([is_read, count] { is_read.set(count); });
    };
    const std::string_view bytes(reinterpret_cast<const char*>(ptr), count);
    if (exchange_->body_came(bytes, when_read)) return pplx::task_from_result(count);
    return pplx::create_task(is_read);
  }
  pplx::task<int_type> _putc(std::uint8_t ch) override {
    exchange_->body_came(std::string_view(reinterpret_cast<const char*>(&ch), 1), [] {});
    return pplx::task_from_result<int_type>(ch);
  }
  pplx::task<bool> _sync() override { return pplx::task_from_result(true); }
  std::uint8_t* _alloc(std::size_t /*count*/) override { return nullptr; }
  void _commit(std::size_t /*count*/) override {}

  // Nothing is ever read from it.
  pplx::task<int_type> _bumpc() override { return pplx::task_from_result(traits::eof()); }
  int_type _sbumpc() override { return traits::eof(); }
  pplx::task<int_type> _getc() override { return pplx::task_from_result(traits::eof()); }
  int_type _sgetc() override { return traits::eof(); }
  pplx::task<int_type> _nextc() override { return pplx::task_from_result(traits::eof()); }
  pplx::task<int_type> _ungetc() override { return pplx::task_from_result(traits::eof()); }
  pplx::task<std::size_t> _getn(std::uint8_t* /*ptr*/, std::size_t /*count*/) override {
    return pplx::task_from_result<std::size_t>(0);
  }
  std::size_t _scopy(std::uint8_t* /*ptr*/, std::size_t /*count*/) override { return 0; }

 private:
  const std::shared_ptr<HttpExchange> exchange_;
};

class SinkBuffer final : public streams::streambuf<std::uint8_t> {
 public:
  explicit SinkBuffer(const std::shared_ptr<HttpExchange>& exchange)
      : streambuf(std::make_shared<ExchangeSink>(exchange)) {}
};

// A body that cannot be rewound: the library would otherwise send a write again on its own.
streams::istream body_of(const std::string& text) {
  streams::producer_consumer_buffer<std::uint8_t> buffer;
  // Done when these return: the buffer grows.
  buffer.putn_nocopy(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
  buffer.close(std::ios_base::out);
  return buffer.create_istream();
}

// The library resolves the host as it stands in the URL, brackets included, which no IPv6 address
// survives. Without them, and with a port, it takes all before the last colon for the host.
std::string url_for_library(const std::string& server) {
  const std::size_t open = server.find("://[");
  const std::size_t close = server.find(']');
  if (open == std::string::npos || close == std::string::npos) return server;
  const bool has_port = close + 1 < server.size() && server[close + 1] == ':';
  const char* const port = has_port ? "" : server.starts_with("https:") ? ":443" : ":80";
  return server.substr(0, open + 3) + server.substr(open + 4, close - open - 4) + port +
         server.substr(close + 1);
}

web::http::http_request message_of(const HttpRequest& request, const std::string& server,
                                   const std::shared_ptr<HttpExchange>& exchange) {
  web::http::http_request message(request.method);
  message.headers().add(web::http::header_names::host, host_and_port_of(server));
  message.set_request_uri(web::uri(request.path));
  std::string content_type = "application/json";
  for (const auto& [name, value] : request.headers) {
    if (name == "Content-Type") {
      content_type = value;
    } else {
      message.headers().add(name, value);
    }
  }
  if (!request.body.empty()) {
    message.set_body(body_of(request.body), request.body.size(), content_type);
  }
  message.set_response_stream(SinkBuffer(exchange).create_ostream());
  return message;
}

std::string reason_of(const std::exception& e) {
  const auto* http = dynamic_cast<const web::http::http_exception*>(&e);
  if (http == nullptr || http->error_code().value() == 0) return e.what();
  return std::string(e.what()) + " (" + http->error_code().message() + ")";
}

AnswerHead head_of(const web::http::http_response& response) {
  AnswerHead head{.status = response.status_code()};
  response.headers().match(web::http::header_names::retry_after, head.retry_after);
  return head;
}

}  // namespace

// Shared with requests under way, which name the certificate's refusal in their errors.
struct HttpTransport::Library {
  std::string server;
  std::shared_ptr<const TlsSettings> tls;
  std::shared_ptr<web::http::client::http_client> client;
};

HttpTransport::HttpTransport(std::unique_ptr<Library> library) : library_(std::move(library)) {}

HttpTransport::~HttpTransport() {
  // Its idle connections and timers belong to the pool's thread.
  pool().post([client = std::move(library_->client)]() mutable { client.reset(); });
}

Result<std::shared_ptr<HttpTransport>> HttpTransport::make(const std::string& server,
                                                           std::shared_ptr<const TlsSettings> tls) {
  pool();
  try {
    web::http::client::http_client_config config;
    config.set_timeout(kSilenceMax);
    config.set_max_redirects(0);
    const bool is_tls = server.starts_with("https://");
    if (is_tls) {
      config.set_validate_certificates(!tls->skips_verify());
      // The library would send addresses as names too.
      config.set_tlsext_sni_enabled(false);
      config.set_ssl_context_callback(
          [tls](boost::asio::ssl::context& context) { tls->apply(context.native_handle()); });
      config.set_nativehandle_options([tls](web::http::client::native_handle handle) {
        auto* stream = static_cast<boost::asio::ssl::stream<tcp::socket&>*>(handle);
        tls->apply_server_name(stream->native_handle());
      });
    }
    auto library = std::make_unique<Library>();
    library->server = server;
    library->tls = std::move(tls);
    library->client =
        std::make_shared<web::http::client::http_client>(web::uri(url_for_library(server)), config);
    return std::shared_ptr<HttpTransport>(new HttpTransport(std::move(library)));
  } catch (const std::exception& e) {
    return Error{ErrorCode::kInvalidArgument, server + ": " + e.what()};
  }
}

void HttpTransport::start(HttpRequest request, const std::shared_ptr<HttpExchange>& exchange) {
  const pplx::cancellation_token_source cancellation;
  exchange->started([cancellation] { pool().post([cancellation] { cancellation.cancel(); }); });

  const auto fail = [exchange, tls = library_->tls,
                     server = library_->server](const std::exception& e) {
    std::string why = server + ": " + reason_of(e);
    const bool is_handshake = std::string_view(e.what()).find("SSL") != std::string_view::npos;
    if (is_handshake && tls && !tls->last_refusal().empty()) why += ": " + tls->last_refusal();
    exchange->ended(Error{ErrorCode::kUnavailable, why});
  };
  // The tasks below are done when get() is called on them: nothing waits in the pool.
  const auto body_ended = [exchange, fail](const pplx::task<web::http::http_response>& whole) {
    try {
      whole.get();
      exchange->ended(std::nullopt);
    } catch (const std::exception& e) {
      fail(e);
    }
  };
  const auto head_came = [exchange, fail,
                          body_ended](const pplx::task<web::http::http_response>& answer) {
    try {
      const web::http::http_response response = answer.get();
      exchange->head_came(head_of(response));
      response.content_ready().then(body_ended);
    } catch (const std::exception& e) {
      fail(e);
    }
  };
  pool().post([client = library_->client, server = library_->server, request = std::move(request),
               exchange, cancellation, head_came, fail] {
    try {
      client->request(message_of(request, server, exchange), cancellation.get_token())
          .then(head_came);
    } catch (const std::exception& e) {
      fail(e);
    }
  });
}

bool HttpTransport::settle_pool(Duration time_max) {
  const auto reached = std::make_shared<std::promise<void>>();
  pool().post([reached] { reached->set_value(); });
  return reached->get_future().wait_for(time_max) == std::future_status::ready;
}

std::string host_of(const std::string& server) {
  std::string host = host_and_port_of(server);
  if (host.starts_with('[')) return host.substr(1, host.find(']') - 1);
  return host.substr(0, host.find(':'));
}

std::string host_and_port_of(const std::string& server) {
  const std::size_t scheme = server.find("://");
  const std::size_t begin = scheme == std::string::npos ? 0 : scheme + 3;
  return server.substr(begin, server.find('/', begin) - begin);
}

}  // namespace sluice::kube
