#include "tests/support/byte_stream.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/check.h"

namespace sluice::testing {
namespace {

struct FreeBio {
  void operator()(BIO* bio) const { BIO_free(bio); }
};

std::unique_ptr<BIO, FreeBio> bio_of(const std::string& text) {
  return std::unique_ptr<BIO, FreeBio>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

void set_no_delay(int socket) {
  const int on = 1;
  setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

// OpenSSL writes without MSG_NOSIGNAL.
void ignore_broken_pipes() {
  static const bool once = [] {
    signal(SIGPIPE, SIG_IGN);
    return true;
  }();
  static_cast<void>(once);
}

int connect_to(const std::string& host, int port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) return -1;
  int connected = -1;
  for (addrinfo* one = found; one != nullptr && connected < 0; one = one->ai_next) {
    connected = socket(one->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connected >= 0 && ::connect(connected, one->ai_addr, one->ai_addrlen) != 0) {
      close(connected);
      connected = -1;
    }
  }
  freeaddrinfo(found);
  return connected;
}

}  // namespace

TlsContext::TlsContext(Side side, const TlsIdentity& identity)
    : context_(SSL_CTX_new(side == Side::kServer ? TLS_server_method() : TLS_client_method())) {
  CHECK(context_ != nullptr);
  if (!identity.certificate_pem.empty()) {
    X509* const certificate =
        PEM_read_bio_X509(bio_of(identity.certificate_pem).get(), nullptr, nullptr, nullptr);
    EVP_PKEY* const key =
        PEM_read_bio_PrivateKey(bio_of(identity.key_pem).get(), nullptr, nullptr, nullptr);
    CHECK(certificate != nullptr && key != nullptr);
    CHECK(SSL_CTX_use_certificate(context_, certificate) == 1);
    CHECK(SSL_CTX_use_PrivateKey(context_, key) == 1);
    X509_free(certificate);
    EVP_PKEY_free(key);
  }
  if (!identity.ca_pem.empty()) {
    X509* const authority =
        PEM_read_bio_X509(bio_of(identity.ca_pem).get(), nullptr, nullptr, nullptr);
    CHECK(authority != nullptr);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context_), authority);
    X509_free(authority);
    SSL_CTX_set_verify(context_, SSL_VERIFY_PEER, nullptr);
    // Else a session is refused when the server asks for certificates.
    const unsigned char id[] = "sluice-test";
    SSL_CTX_set_session_id_context(context_, id, sizeof id - 1);
  }
}

TlsContext::~TlsContext() {
  SSL_CTX_free(context_);
}

std::unique_ptr<ByteStream> ByteStream::connect(const std::string& host, int port,
                                                const TlsContext* tls) {
  ignore_broken_pipes();
  const int socket = connect_to(host, port);
  if (socket < 0) return nullptr;
  set_no_delay(socket);
  std::unique_ptr<ByteStream> stream(
      new ByteStream(socket, tls == nullptr ? nullptr : SSL_new(tls->native())));
  if (stream->tls_ == nullptr) return stream;
  SSL_set_fd(stream->tls_, socket);
  if (SSL_connect(stream->tls_) != 1) return nullptr;
  return stream;
}

std::unique_ptr<ByteStream> ByteStream::accept(int socket, const TlsContext* tls) {
  ignore_broken_pipes();
  set_no_delay(socket);
  std::unique_ptr<ByteStream> stream(
      new ByteStream(socket, tls == nullptr ? nullptr : SSL_new(tls->native())));
  if (stream->tls_ == nullptr) return stream;
  SSL_set_fd(stream->tls_, socket);
  if (SSL_accept(stream->tls_) != 1) {
    ERR_clear_error();
    return nullptr;
  }
  return stream;
}

ByteStream::~ByteStream() {
  if (tls_ != nullptr) {
    SSL_shutdown(tls_);
    SSL_free(tls_);
    ERR_clear_error();
  }
  close(socket_);
}

bool ByteStream::read_some(std::string& into) {
  char bytes[16384];
  const ssize_t count =
      tls_ != nullptr ? SSL_read(tls_, bytes, sizeof bytes) : recv(socket_, bytes, sizeof bytes, 0);
  if (count <= 0) {
    ERR_clear_error();
    return false;
  }
  into.append(bytes, static_cast<std::size_t>(count));
  return true;
}

bool ByteStream::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = tls_ != nullptr
                              ? SSL_write(tls_, bytes.data(), static_cast<int>(bytes.size()))
                              : send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) {
      ERR_clear_error();
      return false;
    }
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

void ByteStream::shutdown() {
  ::shutdown(socket_, SHUT_RDWR);
}

void ByteStream::reset() {
  // A linger of zero makes the close a reset; the read side wakes now.
  const linger at_once{1, 0};
  setsockopt(socket_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  ::shutdown(socket_, SHUT_RD);
}

bool ByteStream::has_unread() const {
  return tls_ != nullptr && SSL_pending(tls_) > 0;
}

std::string ByteStream::peer_common_name() const {
  if (tls_ == nullptr) return "";
  X509* const certificate = SSL_get0_peer_certificate(tls_);
  if (certificate == nullptr) return "";
  char name[256] = "";
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name, sizeof name);
  return name;
}

std::string ByteStream::requested_server_name() const {
  const char* const name =
      tls_ == nullptr ? nullptr : SSL_get_servername(tls_, TLSEXT_NAMETYPE_host_name);
  return name == nullptr ? "" : name;
}

Listener listen_on_loopback() {
  Listener listener{socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), 0};
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* any = reinterpret_cast<sockaddr*>(&address);
  CHECK(bind(listener.socket, any, size) == 0);
  CHECK(listen(listener.socket, 128) == 0);
  CHECK(getsockname(listener.socket, any, &size) == 0);
  listener.port = ntohs(address.sin_port);
  return listener;
}

}  // namespace sluice::testing
