// Certificates made while a test runs.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace sluice::testing {

struct KeyAndCertificate {
  std::string certificate_pem;
  std::string key_pem;
};

struct CertificateFor {
  std::string common_name = "test";
  std::vector<std::string> dns_names = {};
  std::vector<std::string> ip_addresses = {};
};

// An authority of its own key.
class TestAuthority {
 public:
  explicit TestAuthority(const std::string& name = "test authority");
  ~TestAuthority();
  TestAuthority(const TestAuthority&) = delete;
  TestAuthority& operator=(const TestAuthority&) = delete;

  const std::string& certificate_pem() const { return certificate_pem_; }
  KeyAndCertificate issue(const CertificateFor& subject) const;

 private:
  struct Keys;
  std::unique_ptr<Keys> keys_;
  std::string certificate_pem_;
};

}  // namespace sluice::testing
