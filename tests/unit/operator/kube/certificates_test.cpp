#include "operator/kube/certificates.h"

#include <gtest/gtest.h>

#include "operator/kube/x509.h"
#include "tests/support/manual_clock.h"

namespace sluice::op {
namespace {

using namespace std::chrono_literals;
using Step = CertificatePlan::Step;

constexpr auto kDay = 24h;

// An operator that looks after its files whenever it is told to.
class CertificatesTest : public ::testing::Test {
 protected:
  TimePoint now() const { return clock_.now().wall; }
  CertificatePlan plan() const { return plan_certificates(files_, names_, now()); }

  Step step() {
    const CertificatePlan planned = plan();
    auto done = carry_out(planned.step, files_, names_, now());
    EXPECT_TRUE(done);
    files_ = *std::move(done);
    return planned.step;
  }
  // Whether somebody who holds `trusted` accepts the server's certificate.
  bool is_accepted_by(const std::string& trusted) const {
    const auto server = read_certificates(files_.server_certificate);
    for (const auto& ca : read_certificates(trusted)) {
      if (is_signed_by(server.front().get(), ca.get())) return true;
    }
    return false;
  }

  testing::ManualClock clock_;
  CertificateFiles files_;
  std::vector<std::string> names_ = {"sluice-broker.sluice.svc", "10.0.0.7"};
};

TEST_F(CertificatesTest, FirstMakesEverything) {
  EXPECT_EQ(step(), Step::kMakeAll);

  const auto server = read_certificates(files_.server_certificate);
  ASSERT_EQ(server.size(), 1u);
  EXPECT_TRUE(is_pair(server.front().get(), read_key(files_.server_key).get()));
  EXPECT_TRUE(is_accepted_by(files_.ca_certificates));
  EXPECT_TRUE(is_good_for(server.front().get(), "sluice-broker.sluice.svc"));
  EXPECT_TRUE(is_good_for(server.front().get(), "10.0.0.7"));
  EXPECT_FALSE(is_good_for(server.front().get(), "other.sluice.svc"));
  EXPECT_EQ(valid_until(server.front().get()), now() + kServerLifetime);
  EXPECT_EQ(plan().step, Step::kKeep);
}

TEST_F(CertificatesTest, RenewsTheServersBeforeItEnds) {
  step();
  const CertificateFiles first = files_;
  const TimePoint renewal = plan().look_again_at;

  clock_.advance(renewal - now() - 1s);
  EXPECT_EQ(step(), Step::kKeep);
  clock_.advance(1s);
  EXPECT_EQ(step(), Step::kIssueServer);

  EXPECT_EQ(files_.ca_certificates, first.ca_certificates);
  EXPECT_NE(files_.server_certificate, first.server_certificate);
  EXPECT_TRUE(is_accepted_by(first.ca_certificates));
  EXPECT_EQ(plan().step, Step::kKeep);
}

// SURVIVAL 15
TEST_F(CertificatesTest, RotatesTheAuthorityWithoutADayThatSomebodyIsNotTrusted) {
  step();
  const std::string old_trust = files_.ca_certificates;
  while (plan().step != Step::kAddCa) {
    clock_.advance(30 * kDay);
    if (plan().step == Step::kIssueServer) step();
  }

  EXPECT_EQ(step(), Step::kAddCa);
  const std::string both = files_.ca_certificates;
  EXPECT_EQ(read_certificates(both).size(), 2u);
  EXPECT_TRUE(is_accepted_by(old_trust)) << "pods that have not seen the new one yet";
  EXPECT_EQ(step(), Step::kKeep);
  EXPECT_EQ(plan().look_again_at, now() + kCaSpread);

  clock_.advance(kCaSpread);
  EXPECT_EQ(step(), Step::kIssueServer);
  EXPECT_TRUE(is_accepted_by(both));
  EXPECT_FALSE(is_accepted_by(old_trust));
  EXPECT_EQ(step(), Step::kKeep);

  clock_.advance(kCaSpread);
  EXPECT_EQ(step(), Step::kDropOldCas);
  EXPECT_EQ(read_certificates(files_.ca_certificates).size(), 1u);
  EXPECT_TRUE(is_accepted_by(files_.ca_certificates));
  EXPECT_EQ(plan().step, Step::kKeep);
}

TEST_F(CertificatesTest, MendsWhatIsBroken) {
  step();
  const CertificateFiles good = files_;
  const auto other = make_ca("other", now());
  ASSERT_TRUE(other);

  struct Case {
    const char* name;
    std::string CertificateFiles::* member;
    std::string text;
    Step want;
  };
  const Case cases[] = {
      {"no authority", &CertificateFiles::ca_certificates, "", Step::kMakeAll},
      {"no key of the authority", &CertificateFiles::ca_key, "", Step::kMakeAll},
      {"a key of another authority", &CertificateFiles::ca_key, other->key, Step::kMakeAll},
      {"no server certificate", &CertificateFiles::server_certificate, "x", Step::kIssueServer},
      {"another server's key", &CertificateFiles::server_key, other->key, Step::kIssueServer},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    files_ = good;
    files_.*c.member = c.text;

    EXPECT_EQ(step(), c.want);
    EXPECT_EQ(plan().step, Step::kKeep);
    EXPECT_TRUE(is_accepted_by(files_.ca_certificates));
  }
}

TEST_F(CertificatesTest, ANewNameOfTheServiceTakesANewCertificate) {
  step();
  names_.push_back("sluice-broker.other.svc");

  EXPECT_EQ(step(), Step::kIssueServer);

  EXPECT_EQ(plan().step, Step::kKeep);
}

TEST_F(CertificatesTest, NothingOutlivesItsAuthority) {
  const auto ca = make_ca("short", now() - kCaLifetime + 10 * kDay);
  ASSERT_TRUE(ca);

  const auto server = make_server_certificate(*ca, names_, now());

  ASSERT_TRUE(server);
  const auto read = read_certificates(server->certificate);
  EXPECT_EQ(valid_until(read.front().get()), now() + 10 * kDay);
}

}  // namespace
}  // namespace sluice::op
