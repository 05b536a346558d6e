#include "common/http/tls_trust.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <utility>

namespace sluice::http {
namespace {

using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
using Text = std::unique_ptr<BIO, decltype(&BIO_free)>;

bool is_address(const std::string& host) {
  in6_addr address;
  return inet_pton(AF_INET, host.c_str(), &address) == 1 ||
         inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

// How many certificates of `pem` were added.
int add_all(X509_STORE* store, const std::string& pem) {
  const Text text(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free);
  int added = 0;
  for (;;) {
    const Certificate one(PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr), &X509_free);
    if (!one) break;
    if (X509_STORE_add_cert(store, one.get()) == 1) ++added;
  }
  ERR_clear_error();
  return added;
}

Result<std::shared_ptr<SSL_CTX>> make_context(const std::string& pem, const std::string& whence) {
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_client_method()), &SSL_CTX_free);
  if (!context) return Error{ErrorCode::kUnavailable, "TLS is not to be had"};
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
  X509_STORE* store = SSL_CTX_get_cert_store(context.get());
  // Whoever is listed is trusted, an intermediate authority too.
  X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
  if (add_all(store, pem) == 0) {
    return Error{ErrorCode::kUnavailable, whence + " holds no certificate in PEM"};
  }
  return context;
}

}  // namespace

TlsTrust::TlsTrust(const ClientOptions& options)
    : server_name_(options.server_name), pem_(options.ca_pem) {
  if (!options.ca_file.empty()) file_.emplace(options.ca_file);
}

Result<std::shared_ptr<SSL_CTX>> TlsTrust::context() {
  const std::scoped_lock lock(mutex_);
  if (!file_ && pem_.empty()) {
    return Error{ErrorCode::kUnavailable, "https needs the certificates to trust (a CA file)"};
  }
  bool changed = context_ == nullptr;
  if (file_) {
    auto read = file_->refresh();
    if (!read) return std::move(read).error();
    changed = changed || *read;
  }
  if (!changed) return context_;
  auto made = make_context(file_ ? file_->text() : pem_, file_ ? file_->path() : "the CA's text");
  if (!made) {
    context_ = nullptr;
    return std::move(made).error();
  }
  context_ = *std::move(made);
  return context_;
}

Status TlsTrust::expect_host(SSL* session, const std::string& url_host) const {
  const std::string& host = server_name_.empty() ? url_host : server_name_;
  X509_VERIFY_PARAM* rules = SSL_get0_param(session);
  X509_VERIFY_PARAM_set_hostflags(
      rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  const bool set = is_address(host) ? X509_VERIFY_PARAM_set1_ip_asc(rules, host.c_str()) == 1
                                    : SSL_set1_host(session, host.c_str()) == 1 &&
                                          SSL_set_tlsext_host_name(session, host.c_str()) == 1;
  if (!set) return Error{ErrorCode::kUnavailable, "no certificate can be for \"" + host + "\""};
  return Ok{};
}

std::string certificate_problem(SSL* session) {
  const long verdict = SSL_get_verify_result(session);
  if (verdict == X509_V_OK) return {};
  return X509_verify_cert_error_string(verdict);
}

}  // namespace sluice::http
