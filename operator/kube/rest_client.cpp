#include "operator/kube/rest_client.h"

#include <algorithm>
#include <charconv>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

#include "common/base/log.h"
#include "common/http/line_splitter.h"
#include "operator/kube/api_error.h"
#include "operator/kube/credential_source.h"
#include "operator/kube/http_exchange.h"
#include "operator/kube/http_transport.h"
#include "operator/kube/tls_settings.h"

namespace sluice::kube {
namespace {

constexpr std::chrono::seconds kRetryAfterMax{3600};
// For the library to let go of cancelled requests; only a name being resolved takes longer.
constexpr std::chrono::seconds kLetGoMax{5};

constexpr std::string_view kCancelled = "the client is shutting down";

HttpExchange::Deadline after(Duration duration) {
  return std::chrono::steady_clock::now() + duration;
}

// Seconds only: a date would compare the server's clock with ours.
std::optional<std::chrono::seconds> parse_retry_after(std::string_view text) {
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc{} || end != text.data() + text.size() || seconds < 0) return std::nullopt;
  return std::min(std::chrono::seconds{seconds}, kRetryAfterMax);
}

// None, or a number; the library would take anything else for the default port.
bool has_usable_port(const std::string& server) {
  const std::string host = host_and_port_of(server);
  const std::size_t colon = host.rfind(':');
  if (colon == std::string::npos || host.ends_with(']')) return true;
  unsigned port = 0;
  const char* const last = host.data() + host.size();
  const auto [end, error] = std::from_chars(host.data() + colon + 1, last, port);
  return error == std::errc{} && end == last && port > 0 && port <= 65535;
}

class RestClient final : public ApiClient {
 public:
  RestClient(KubeConfig config, RestClientSettings settings)
      : config_(std::move(config)),
        settings_(std::move(settings)),
        host_(host_and_port_of(config_.server)),
        credentials_(make_credential_source(config_, settings_.clock)) {}

  ~RestClient() override {
    cancel();
    std::unique_lock lock(mutex_);
    transport_.reset();
    const bool let_go =
        exchange_left_.wait_for(lock, kLetGoMax, [this] { return exchanges_.empty(); });
    lock.unlock();
    if (!let_go || !HttpTransport::settle_pool(kLetGoMax)) {
      log_warn("the HTTP client still holds cancelled requests");
    }
  }

  // Certificates and the URL are looked at before the first request, for a clear error at start.
  Status check() {
    TlsOptions options{.server_name = server_name(), .skips_verify = config_.skips_tls_verify};
    auto ca = config_.ca.read();
    if (!ca) return std::move(ca).error();
    options.ca_pem = *std::move(ca);
    // A plugin's certificate comes with its first run.
    auto certificate = config_.client_certificate.read();
    if (!certificate) return std::move(certificate).error();
    options.client_certificate_pem = *std::move(certificate);
    auto key = config_.client_key.read();
    if (!key) return std::move(key).error();
    options.client_key_pem = *std::move(key);
    if (host_of(config_.server).empty()) {
      return Error{ErrorCode::kInvalidArgument, config_.server + " names no host"};
    }
    if (!has_usable_port(config_.server)) {
      return Error{ErrorCode::kInvalidArgument, config_.server + " has a port that is no port"};
    }
    auto tls = TlsSettings::parse(options);
    if (!tls) return std::move(tls).error();
    auto transport = HttpTransport::make(config_.server, *tls);
    if (!transport) return std::move(transport).error();
    return Ok{};
  }

  Result<ApiResponse> send(const ApiRequest& request) override {
    const auto deadline = after(request.timeout);
    auto call = begin(request);
    if (!call) return std::move(call).error();
    const CallEnd end(*this, *call);

    auto head = wait_for_head(request, *call, deadline);
    if (!head) return std::move(head).error();
    auto body = read_body(*call, deadline, kBodyBytesMax);
    if (!body) return std::move(body).error();
    return ApiResponse{head->status, *std::move(body), parse_retry_after(head->retry_after)};
  }

  Status stream_lines(const ApiRequest& request, Duration idle,
                      const std::function<bool(std::string_view line)>& on_line) override {
    auto call = begin(request);
    if (!call) return std::move(call).error();
    const CallEnd end(*this, *call);

    const auto head_deadline = after(std::min(request.timeout, idle));
    auto head = wait_for_head(request, *call, head_deadline);
    if (!head) return std::move(head).error();
    if (head->status != 200) {
      auto body = read_body(*call, after(idle), kRefusalBytesMax);
      if (!body) return std::move(body).error();
      return error_of_answer(
          {head->status, *std::move(body), parse_retry_after(head->retry_after)});
    }
    return read_lines(*call, idle, on_line);
  }

  void cancel() override {
    credentials_->cancel();
    const std::scoped_lock lock(mutex_);
    is_cancelled_ = true;
    for (const auto& exchange : exchanges_) exchange->cancel(kCancelled);
  }

 private:
  struct Call {
    std::shared_ptr<HttpExchange> exchange;
    std::shared_ptr<HttpTransport> transport;
    Credential credential;
    SteadyPoint began;
  };

  // Abandons the request when its caller leaves, whatever became of it.
  class CallEnd {
   public:
    CallEnd(RestClient& client, const Call& call) : client_(client), call_(call) {}
    ~CallEnd() {
      call_.exchange->cancel("abandoned");
      const std::scoped_lock lock(client_.mutex_);
      client_.exchanges_.erase(call_.exchange);
      client_.exchange_left_.notify_all();
    }
    CallEnd(const CallEnd&) = delete;
    CallEnd& operator=(const CallEnd&) = delete;

   private:
    RestClient& client_;
    const Call& call_;
  };

  std::string server_name() const {
    return config_.tls_server_name.empty() ? host_of(config_.server) : config_.tls_server_name;
  }

  Result<Call> begin(const ApiRequest& request) {
    auto credential = credentials_->current();
    if (!credential) return std::move(credential).error();
    auto transport = transport_for(*credential);
    if (!transport) return std::move(transport).error();

    HttpRequest http{request.method, request.path, request.body, {}};
    http.headers.emplace_back("Accept", "application/json");
    http.headers.emplace_back("User-Agent", settings_.user_agent);
    if (!request.body.empty()) http.headers.emplace_back("Content-Type", request.content_type);
    if (!credential->authorization.empty()) {
      http.headers.emplace_back("Authorization", credential->authorization);
    }
    Call call{std::make_shared<HttpExchange>(), *transport, *std::move(credential),
              settings_.clock.now().steady};
    {
      const std::scoped_lock lock(mutex_);
      if (is_cancelled_) return Error{ErrorCode::kUnavailable, std::string(kCancelled)};
      exchanges_.insert(call.exchange);
    }
    call.transport->start(std::move(http), call.exchange);
    return call;
  }

  // The connections in use, or new ones with what the files hold now.
  Result<std::shared_ptr<HttpTransport>> transport_for(const Credential& credential) {
    const std::scoped_lock lock(mutex_);
    const bool is_same_key = credential.client_key_pem == client_key_pem_ &&
                             credential.client_certificate_pem == client_certificate_pem_;
    if (transport_ && is_same_key) return transport_;
    auto ca = config_.ca.read();
    if (!ca) return Error{ErrorCode::kUnavailable, ca.error().message};
    auto tls = TlsSettings::parse({.ca_pem = *std::move(ca),
                                   .server_name = server_name(),
                                   .skips_verify = config_.skips_tls_verify,
                                   .client_certificate_pem = credential.client_certificate_pem,
                                   .client_key_pem = credential.client_key_pem});
    // Perhaps half written just now; a caller that tries again finds it whole.
    if (!tls) return Error{ErrorCode::kUnavailable, tls.error().message};
    auto transport = HttpTransport::make(config_.server, *tls);
    if (!transport) return std::move(transport).error();
    client_certificate_pem_ = credential.client_certificate_pem;
    client_key_pem_ = credential.client_key_pem;
    transport_ = *transport;
    return transport_;
  }

  // The next request opens new connections: the other idle ones are as broken, or as unwelcome.
  void drop_transport(const std::shared_ptr<HttpTransport>& used) {
    const std::scoped_lock lock(mutex_);
    if (transport_ == used) transport_.reset();
  }

  Result<AnswerHead> wait_for_head(const ApiRequest& request, const Call& call,
                                   HttpExchange::Deadline deadline) {
    auto head = call.exchange->wait_for_head(deadline);
    if (settings_.observer != nullptr) {
      settings_.observer->request_ended(request.method, host_, head ? head->status : 0,
                                        settings_.clock.now().steady - call.began);
    }
    if (!head) {
      drop_transport(call.transport);
      return head;
    }
    if (head->status == 401) {
      credentials_->rejected(call.credential);
      drop_transport(call.transport);
    }
    return head;
  }

  Result<std::string> read_body(const Call& call, HttpExchange::Deadline deadline,
                                std::size_t bytes_max) {
    std::string body;
    for (;;) {
      auto bytes = call.exchange->read(deadline);
      if (!bytes) {
        drop_transport(call.transport);
        return bytes;
      }
      if (bytes->empty()) return body;
      if (body.size() + bytes->size() > bytes_max) {
        return Error{ErrorCode::kTooLarge,
                     "the answer is larger than " + std::to_string(bytes_max) + " bytes"};
      }
      body += *bytes;
    }
  }

  Status read_lines(const Call& call, Duration idle,
                    const std::function<bool(std::string_view line)>& on_line) {
    http::LineSplitter splitter(kWatchLineBytesMax);
    for (;;) {
      auto bytes = call.exchange->read(after(idle));
      if (!bytes) {
        drop_transport(call.transport);
        return std::move(bytes).error();
      }
      if (bytes->empty()) return Ok{};
      switch (splitter.feed(*bytes, on_line)) {
        case http::LineSplitter::Fed::kMore:
          break;
        case http::LineSplitter::Fed::kStopped:
          return Ok{};
        case http::LineSplitter::Fed::kLineTooLong:
          return Error{ErrorCode::kTooLarge, "a line of the watch is larger than " +
                                                 std::to_string(kWatchLineBytesMax) + " bytes"};
      }
    }
  }

  const KubeConfig config_;
  const RestClientSettings settings_;
  const std::string host_;
  const std::unique_ptr<CredentialSource> credentials_;

  std::mutex mutex_;
  std::condition_variable exchange_left_;
  bool is_cancelled_ = false;
  std::set<std::shared_ptr<HttpExchange>> exchanges_;  // under way
  std::shared_ptr<HttpTransport> transport_;
  std::string client_certificate_pem_;  // of transport_
  std::string client_key_pem_;
};

}  // namespace

Result<std::unique_ptr<ApiClient>> make_rest_client(const KubeConfig& config,
                                                    RestClientSettings settings) {
  auto client = std::make_unique<RestClient>(config, std::move(settings));
  if (auto checked = client->check(); !checked) return std::move(checked).error();
  return std::unique_ptr<ApiClient>(std::move(client));
}

}  // namespace sluice::kube
