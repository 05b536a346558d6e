#include "broker/server/tls_keys.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <utility>

#include "common/base/log.h"

namespace sluice::broker {
namespace {

using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Text = std::unique_ptr<BIO, decltype(&BIO_free)>;

Text text_of(const std::string& pem) {
  return {BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free};
}

Error broken(const std::string& path, const char* what) {
  ERR_clear_error();
  return {ErrorCode::kInvalidArgument, path + ": " + what};
}

Status use_chain(SSL_CTX* context, const http::WatchedFile& file) {
  const Text text = text_of(file.text());
  const Certificate leaf(PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr), &X509_free);
  if (!leaf || SSL_CTX_use_certificate(context, leaf.get()) != 1) {
    return broken(file.path(), "it holds no certificate in PEM");
  }
  for (;;) {
    const Certificate next(PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr), &X509_free);
    if (!next) break;
    SSL_CTX_add1_chain_cert(context, next.get());
  }
  ERR_clear_error();
  return Ok{};
}

Status use_key(SSL_CTX* context, const http::WatchedFile& file) {
  const Text text = text_of(file.text());
  // With a pass phrase given, an empty one, OpenSSL does not ask the terminal for it.
  char no_phrase[] = "";
  const Key key(PEM_read_bio_PrivateKey(text.get(), nullptr, nullptr, no_phrase), &EVP_PKEY_free);
  if (!key) return broken(file.path(), "it holds no private key in PEM that can be read");
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1) {
    return broken(file.path(), "the key is not the certificate's");
  }
  return Ok{};
}

Result<std::shared_ptr<SSL_CTX>> make_context(const http::WatchedFile& certificate,
                                              const http::WatchedFile& key) {
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), &SSL_CTX_free);
  if (!context) return Error{ErrorCode::kUnavailable, "TLS is not to be had"};
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  // Connections are long: sessions are not worth resuming, least of all under an older key.
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context.get(), 0);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
  // Idle connections keep no buffers; a write that could not be finished goes on from a copy.
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  if (Status used = use_chain(context.get(), certificate); !used) return std::move(used).error();
  if (Status used = use_key(context.get(), key); !used) return std::move(used).error();
  return context;
}

}  // namespace

void FreeSession::operator()(SSL* session) const {
  SSL_free(session);
}

TlsKeys::TlsKeys(std::string certificate_file, std::string key_file)
    : certificate_(std::move(certificate_file)), key_(std::move(key_file)) {}

Status TlsKeys::load() {
  auto loaded = reload();
  if (!loaded) return std::move(loaded).error();
  return Ok{};
}

TlsSession TlsKeys::new_session() {
  const auto loaded = reload();
  if (!loaded && loaded.error().message != problem_) {
    problem_ = loaded.error().message;
    log_error("the new certificate is not used", {{"error", problem_}});
  }
  if (loaded && *loaded) {
    problem_.clear();
    log_info("the certificate was replaced", {{"file", certificate_.path()}});
  }
  return TlsSession(SSL_new(context_.get()));
}

Result<bool> TlsKeys::reload() {
  auto new_certificate = certificate_.refresh();
  if (!new_certificate) return std::move(new_certificate).error();
  auto new_key = key_.refresh();
  if (!new_key) return std::move(new_key).error();
  if (!*new_certificate && !*new_key) return false;
  auto context = make_context(certificate_, key_);
  if (!context) return std::move(context).error();
  context_ = *std::move(context);
  return true;
}

}  // namespace sluice::broker
