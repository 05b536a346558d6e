#include "operator/kube/tls_settings.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <mutex>
#include <utility>
#include <vector>

#include "common/base/check.h"

namespace sluice::kube {
namespace {

template <auto Free>
struct Freed {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using X509Ptr = std::unique_ptr<X509, Freed<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using StorePtr = std::unique_ptr<X509_STORE, Freed<X509_STORE_free>>;
using BioPtr = std::unique_ptr<BIO, Freed<BIO_free>>;

// Connections outlive the settings they were made with, so they share this.
struct Refusal {
  std::mutex mutex;
  std::string reason;
};

void free_refusal(void* /*parent*/, void* data, CRYPTO_EX_DATA* /*ad*/, int /*index*/,
                  long /*argl*/, void* /*argp*/) {
  delete static_cast<std::shared_ptr<Refusal>*>(data);
}

int refusal_index() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, free_refusal);
  return index;
}

bool is_ip_address(const std::string& name) {
  in6_addr address{};
  return inet_pton(AF_INET, name.c_str(), &address) == 1 ||
         inet_pton(AF_INET6, name.c_str(), &address) == 1;
}

BioPtr bio_of(const std::string& text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::vector<X509Ptr> read_certificates(const std::string& pem) {
  std::vector<X509Ptr> found;
  const BioPtr bio = bio_of(pem);
  while (X509* one = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    found.emplace_back(one);
  }
  ERR_clear_error();
  return found;
}

// No terminal to ask: an encrypted key cannot be read.
int no_passphrase(char* /*buffer*/, int /*size*/, int /*is_write*/, void* /*data*/) {
  return 0;
}

KeyPtr read_key(const std::string& pem) {
  KeyPtr key(PEM_read_bio_PrivateKey(bio_of(pem).get(), nullptr, no_passphrase, nullptr));
  ERR_clear_error();
  return key;
}

Error bad(std::string why) {
  return {ErrorCode::kInvalidArgument, std::move(why)};
}

// Replaces the library's own check of the chain: its callback compares the host of the URL by
// rules of its own, while OpenSSL's parameters know IP addresses and another server name.
int verify_chain(X509_STORE_CTX* chain, void* /*unused*/) {
  X509_STORE_CTX_set_verify_cb(chain, [](int is_good, X509_STORE_CTX*) { return is_good; });
  const int is_good = X509_verify_cert(chain);
  if (is_good > 0) return is_good;

  const auto* connection = static_cast<const SSL*>(
      X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx()));
  const auto* refusal = static_cast<std::shared_ptr<Refusal>*>(
      SSL_CTX_get_ex_data(SSL_get_SSL_CTX(connection), refusal_index()));
  if (refusal != nullptr) {
    const std::scoped_lock lock((*refusal)->mutex);
    (*refusal)->reason = X509_verify_cert_error_string(X509_STORE_CTX_get_error(chain));
  }
  return is_good;
}

}  // namespace

struct TlsSettings::Parsed {
  StorePtr store;  // null: the system's authorities
  std::vector<X509Ptr> certificates;
  KeyPtr key;
  std::string server_name;
  bool is_address = false;
  bool skips_verify = false;
  std::shared_ptr<Refusal> refusal = std::make_shared<Refusal>();
};

TlsSettings::TlsSettings(std::unique_ptr<Parsed> parsed) : parsed_(std::move(parsed)) {}
TlsSettings::~TlsSettings() = default;

Result<std::shared_ptr<const TlsSettings>> TlsSettings::parse(const TlsOptions& options) {
  auto parsed = std::make_unique<Parsed>();
  parsed->server_name = options.server_name;
  parsed->is_address = is_ip_address(options.server_name);
  parsed->skips_verify = options.skips_verify;
  if (!options.ca_pem.empty()) {
    const auto authorities = read_certificates(options.ca_pem);
    if (authorities.empty()) return bad("the certificate authority's data holds no certificate");
    parsed->store.reset(X509_STORE_new());
    for (const X509Ptr& one : authorities) X509_STORE_add_cert(parsed->store.get(), one.get());
  }
  if (!options.client_certificate_pem.empty()) {
    parsed->certificates = read_certificates(options.client_certificate_pem);
    if (parsed->certificates.empty()) return bad("the client certificate cannot be read");
    parsed->key = read_key(options.client_key_pem);
    if (!parsed->key) return bad("the client key cannot be read (is it encrypted?)");
    if (X509_check_private_key(parsed->certificates.front().get(), parsed->key.get()) != 1) {
      ERR_clear_error();
      return bad("the client key does not belong to the client certificate");
    }
  }
  return std::shared_ptr<const TlsSettings>(new TlsSettings(std::move(parsed)));
}

void TlsSettings::apply(SSL_CTX* context) const {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  if (parsed_->store) {
    X509_STORE_up_ref(parsed_->store.get());
    SSL_CTX_set_cert_store(context, parsed_->store.get());
    // As Go does: what is listed is trusted, also when it is not a root.
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_PARTIAL_CHAIN);
  }
  if (!parsed_->skips_verify) {
    X509_VERIFY_PARAM* const rules = SSL_CTX_get0_param(context);
    X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    const int is_set = parsed_->is_address
                           ? X509_VERIFY_PARAM_set1_ip_asc(rules, parsed_->server_name.c_str())
                           : X509_VERIFY_PARAM_set1_host(rules, parsed_->server_name.c_str(), 0);
    CHECK(is_set == 1);  // else any certificate of the authority would do
    SSL_CTX_set_cert_verify_callback(context, verify_chain, nullptr);
    SSL_CTX_set_ex_data(context, refusal_index(), new std::shared_ptr<Refusal>(parsed_->refusal));
  }
  if (parsed_->key) {
    SSL_CTX_use_certificate(context, parsed_->certificates.front().get());
    SSL_CTX_use_PrivateKey(context, parsed_->key.get());
    for (std::size_t i = 1; i < parsed_->certificates.size(); ++i) {
      SSL_CTX_add1_chain_cert(context, parsed_->certificates[i].get());
    }
  }
}

void TlsSettings::apply_server_name(SSL* connection) const {
  // Also called for connections that are used again.
  if (parsed_->is_address || SSL_is_init_finished(connection) == 1) return;
  SSL_set_tlsext_host_name(connection, parsed_->server_name.c_str());
}

bool TlsSettings::skips_verify() const {
  return parsed_->skips_verify;
}

std::string TlsSettings::last_refusal() const {
  const std::scoped_lock lock(parsed_->refusal->mutex);
  return parsed_->refusal->reason;
}

}  // namespace sluice::kube
