#include "tests/support/test_certificates.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <atomic>

#include "common/base/check.h"

namespace sluice::testing {
namespace {

constexpr long kValidForSeconds = 24 * 3600;

template <auto Free>
struct Freed {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using Bio = std::unique_ptr<BIO, Freed<BIO_free>>;

Key make_key() {
  Key key(EVP_EC_gen("P-256"));
  CHECK(key != nullptr);
  return key;
}

std::string text_of(BIO* bio) {
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(bio, &bytes);
  return std::string(bytes, static_cast<std::size_t>(size));
}

std::string pem_of(X509* certificate) {
  const Bio bio(BIO_new(BIO_s_mem()));
  CHECK(PEM_write_bio_X509(bio.get(), certificate) == 1);
  return text_of(bio.get());
}

std::string pem_of(EVP_PKEY* key) {
  const Bio bio(BIO_new(BIO_s_mem()));
  CHECK(PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1);
  return text_of(bio.get());
}

void set_name(X509_NAME* name, const std::string& common_name) {
  CHECK(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                   reinterpret_cast<const unsigned char*>(common_name.c_str()), -1,
                                   -1, 0) == 1);
}

void add_extension(X509* certificate, X509* issuer, int id, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, id, value.c_str());
  CHECK(extension != nullptr);
  CHECK(X509_add_ext(certificate, extension, -1) == 1);
  X509_EXTENSION_free(extension);
}

Certificate make_certificate(const std::string& common_name, EVP_PKEY* key) {
  static std::atomic<long> serial{1};
  Certificate certificate(X509_new());
  CHECK(X509_set_version(certificate.get(), 2) == 1);
  CHECK(ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), serial++) == 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -kValidForSeconds);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), kValidForSeconds);
  CHECK(X509_set_pubkey(certificate.get(), key) == 1);
  set_name(X509_get_subject_name(certificate.get()), common_name);
  return certificate;
}

}  // namespace

struct TestAuthority::Keys {
  Key key;
  Certificate certificate;
};

TestAuthority::TestAuthority(const std::string& name) : keys_(std::make_unique<Keys>()) {
  keys_->key = make_key();
  keys_->certificate = make_certificate(name, keys_->key.get());
  X509* const certificate = keys_->certificate.get();
  CHECK(X509_set_issuer_name(certificate, X509_get_subject_name(certificate)) == 1);
  add_extension(certificate, certificate, NID_basic_constraints, "critical,CA:TRUE");
  add_extension(certificate, certificate, NID_key_usage, "critical,keyCertSign,digitalSignature");
  add_extension(certificate, certificate, NID_subject_key_identifier, "hash");
  CHECK(X509_sign(certificate, keys_->key.get(), EVP_sha256()) > 0);
  certificate_pem_ = pem_of(certificate);
}

TestAuthority::~TestAuthority() = default;

KeyAndCertificate TestAuthority::issue(const CertificateFor& subject) const {
  const Key key = make_key();
  const Certificate certificate = make_certificate(subject.common_name, key.get());
  X509* const issuer = keys_->certificate.get();
  CHECK(X509_set_issuer_name(certificate.get(), X509_get_subject_name(issuer)) == 1);
  std::string names;
  for (const std::string& one : subject.dns_names)
    names += (names.empty() ? "DNS:" : ",DNS:") + one;
  for (const std::string& one : subject.ip_addresses) {
    names += (names.empty() ? "IP:" : ",IP:") + one;
  }
  if (!names.empty()) add_extension(certificate.get(), issuer, NID_subject_alt_name, names);
  add_extension(certificate.get(), issuer, NID_ext_key_usage, "serverAuth,clientAuth");
  CHECK(X509_sign(certificate.get(), keys_->key.get(), EVP_sha256()) > 0);
  return {pem_of(certificate.get()), pem_of(key.get())};
}

}  // namespace sluice::testing
