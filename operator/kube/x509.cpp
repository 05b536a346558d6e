#include "operator/kube/x509.h"

#include <arpa/inet.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <ctime>

namespace sluice::op {
namespace {

using Text = std::unique_ptr<BIO, decltype(&BIO_free)>;

constexpr long kVersion3 = 2;
constexpr int kSerialBits = 127;

Text text_of(const std::string& pem) {
  return {BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free};
}

std::string content_of(BIO* text) {
  char* bytes = nullptr;
  const long count = BIO_get_mem_data(text, &bytes);
  return count > 0 ? std::string(bytes, static_cast<std::size_t>(count)) : std::string();
}

std::time_t to_seconds_since_epoch(TimePoint time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

TimePoint to_time(const ASN1_TIME* time) {
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return {};
  return TimePoint{std::chrono::seconds{timegm(&parts)}};
}

bool is_address(const std::string& name) {
  in6_addr address;
  return inet_pton(AF_INET, name.c_str(), &address) == 1 ||
         inet_pton(AF_INET6, name.c_str(), &address) == 1;
}

bool add_extension(X509* certificate, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
  if (extension == nullptr) return false;
  const bool added = X509_add_ext(certificate, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return added;
}

// Positive, and of 127 random bits: two CAs of one name never make the same.
bool set_serial(X509* certificate) {
  BIGNUM* number = BN_new();
  const bool set = BN_rand(number, kSerialBits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
                   BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != nullptr;
  BN_free(number);
  return set;
}

std::string alternative_names(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    if (!text.empty()) text += ",";
    text += (is_address(name) ? "IP:" : "DNS:") + name;
  }
  return text;
}

bool add_extensions(X509* certificate, X509* issuer, const NewCertificate& wanted) {
  const bool identified = add_extension(certificate, issuer, NID_subject_key_identifier, "hash") &&
                          add_extension(certificate, issuer, NID_authority_key_identifier, "keyid");
  if (wanted.names.empty()) {
    return identified &&
           add_extension(certificate, issuer, NID_basic_constraints,
                         "critical,CA:TRUE,pathlen:0") &&
           add_extension(certificate, issuer, NID_key_usage, "critical,keyCertSign,cRLSign");
  }
  return identified &&
         add_extension(certificate, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
         add_extension(certificate, issuer, NID_key_usage, "critical,digitalSignature") &&
         add_extension(certificate, issuer, NID_ext_key_usage, "serverAuth") &&
         add_extension(certificate, issuer, NID_subject_alt_name, alternative_names(wanted.names));
}

bool set_name(X509* certificate, const std::string& common_name) {
  return X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                                    reinterpret_cast<const unsigned char*>(common_name.data()),
                                    static_cast<int>(common_name.size()), -1, 0) == 1;
}

}  // namespace

void FreeX509::operator()(X509* certificate) const {
  X509_free(certificate);
}

void FreeX509::operator()(EVP_PKEY* key) const {
  EVP_PKEY_free(key);
}

std::vector<X509Pointer> read_certificates(const std::string& pem) {
  std::vector<X509Pointer> all;
  const Text text = text_of(pem);
  for (;;) {
    X509Pointer one(PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr));
    if (!one) break;
    all.push_back(std::move(one));
  }
  ERR_clear_error();
  return all;
}

KeyPointer read_key(const std::string& pem) {
  const Text text = text_of(pem);
  // With a pass phrase given, an empty one, OpenSSL does not ask the terminal for it.
  char no_phrase[] = "";
  KeyPointer key(PEM_read_bio_PrivateKey(text.get(), nullptr, nullptr, no_phrase));
  ERR_clear_error();
  return key;
}

TimePoint valid_from(const X509* certificate) {
  return to_time(X509_get0_notBefore(certificate));
}

TimePoint valid_until(const X509* certificate) {
  return to_time(X509_get0_notAfter(certificate));
}

bool is_pair(const X509* certificate, const EVP_PKEY* key) {
  const bool matches = X509_check_private_key(certificate, key) == 1;
  ERR_clear_error();
  return matches;
}

bool is_signed_by(X509* certificate, X509* ca) {
  const bool is_signed = X509_verify(certificate, X509_get0_pubkey(ca)) == 1;
  ERR_clear_error();
  return is_signed;
}

bool is_good_for(X509* certificate, const std::string& name) {
  if (is_address(name)) return X509_check_ip_asc(certificate, name.c_str(), 0) == 1;
  return X509_check_host(certificate, name.data(), name.size(), X509_CHECK_FLAG_NEVER_CHECK_SUBJECT,
                         nullptr) == 1;
}

std::string to_pem(X509* certificate) {
  const Text text(BIO_new(BIO_s_mem()), &BIO_free);
  PEM_write_bio_X509(text.get(), certificate);
  return content_of(text.get());
}

std::string to_pem(const EVP_PKEY* key) {
  const Text text(BIO_new(BIO_s_mem()), &BIO_free);
  PEM_write_bio_PrivateKey(text.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  return content_of(text.get());
}

KeyPointer make_key() {
  return KeyPointer(EVP_EC_gen("P-256"));
}

X509Pointer make_certificate(const NewCertificate& wanted, EVP_PKEY* key, X509* ca,
                             EVP_PKEY* ca_key) {
  X509Pointer made(X509_new());
  X509* certificate = made.get();
  X509* issuer = ca == nullptr ? certificate : ca;
  const bool filled =
      certificate != nullptr && X509_set_version(certificate, kVersion3) == 1 &&
      set_serial(certificate) && X509_set_pubkey(certificate, key) == 1 &&
      ASN1_TIME_set(X509_getm_notBefore(certificate), to_seconds_since_epoch(wanted.from)) &&
      ASN1_TIME_set(X509_getm_notAfter(certificate), to_seconds_since_epoch(wanted.until)) &&
      set_name(certificate, wanted.common_name) &&
      X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) == 1 &&
      add_extensions(certificate, issuer, wanted) &&
      X509_sign(certificate, ca == nullptr ? key : ca_key, EVP_sha256()) > 0;
  ERR_clear_error();
  return filled ? std::move(made) : nullptr;
}

}  // namespace sluice::op
