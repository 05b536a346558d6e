#include "cli/local/broker_process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "tests/support/manual_clock.h"
#include "tests/unit/cli/local/fake_processes.h"
#include "tests/unit/cli/local/temporary_folder.h"

namespace sluice::local {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using namespace std::chrono_literals;

class BrokerProcessTest : public ::testing::Test {
 protected:
  BrokerProcessTest()
      : loop_(std::move(*EventLoop::make(clock_))),
        broker_(*loop_, processes_, clock_, {"bin/sluice-broker", "127.0.0.1:0", "data/broker"},
                std::move(*BoundedLog::open(folder_.path() / "broker.log", 10'000)),
                {.on_listening = [this](const std::string& url) { urls_.push_back(url); },
                 .on_died = [this](const std::string& why) { deaths_.push_back(why); },
                 .on_given_up = [this](const std::string& why) { given_up_.push_back(why); }}) {}

  void pass(Duration time) {
    clock_.advance(time);
    loop_->run_once(Duration::zero());
  }
  Pid last() const { return static_cast<Pid>(processes_.started.size()); }

  sluice::testing::TemporaryFolder folder_;
  sluice::testing::ManualClock clock_;
  sluice::testing::FakeProcesses processes_;
  std::unique_ptr<EventLoop> loop_;
  BrokerProcess broker_;
  std::vector<std::string> urls_;
  std::vector<std::string> deaths_;
  std::vector<std::string> given_up_;
};

TEST_F(BrokerProcessTest, TellsTheAddressItPrinted) {
  broker_.start();
  processes_.print(1, "2026-11-22T16:00:00Z INFO sluice-broker store opened");
  processes_.print(1, "listening on http://127.0.0.1:43210");

  EXPECT_THAT(urls_, ElementsAre("http://127.0.0.1:43210"));
  EXPECT_THAT(*read_file(folder_.path() / "broker.log", 10'000), HasSubstr("store opened"));
}

TEST_F(BrokerProcessTest, RestartsOnTheAddressItHad) {
  broker_.start();
  processes_.print(1, "listening on http://127.0.0.1:43210");
  processes_.end(1, {.exit_code = {}, .signal = SIGKILL});
  pass(BrokerProcess::kBackoffMin);

  ASSERT_THAT(processes_.started, SizeIs(2));
  EXPECT_THAT(processes_.started[1].command.argv, ::testing::Contains("127.0.0.1:43210"));
  EXPECT_THAT(deaths_, ElementsAre(HasSubstr("signal 9")));
}

TEST_F(BrokerProcessTest, OneThatNeverListensIsGivenUpWithItsMessage) {
  broker_.start();
  for (int i = 0; i < BrokerProcess::kFailedStartsMax; ++i) {
    processes_.print(last(), "cannot open the data folder: it is locked");
    processes_.end(last(), {.exit_code = 1, .signal = {}});
    pass(BrokerProcess::kBackoffMax);
  }

  EXPECT_THAT(processes_.started, SizeIs(BrokerProcess::kFailedStartsMax));
  EXPECT_THAT(given_up_, ElementsAre(AllOf(HasSubstr("exit code 1"), HasSubstr("it is locked"))));
}

TEST_F(BrokerProcessTest, ARefusedAddressIsGivenUpAtOnceWithTheReasonAlone) {
  broker_.start();
  processes_.print(1, "--listen: must be ADDRESS:PORT, not \"here\"");
  processes_.print(1, "Run with --help for more information.");
  processes_.end(1, {.exit_code = BrokerProcess::kUsageExitCode, .signal = {}});

  EXPECT_THAT(given_up_, ElementsAre("--listen: must be ADDRESS:PORT, not \"here\""));
  EXPECT_THAT(deaths_, IsEmpty());
}

TEST_F(BrokerProcessTest, AnAddressThatIsTakenForAMomentIsTriedAgainOnceItWasOurs) {
  broker_.start();
  processes_.print(1, "listening on http://127.0.0.1:1");
  processes_.end(1, {.exit_code = {}, .signal = SIGKILL});
  pass(BrokerProcess::kBackoffMin);
  processes_.print(2, "sluice-broker: cannot listen on 127.0.0.1:1: Address already in use");
  processes_.end(2, {.exit_code = BrokerProcess::kUsageExitCode, .signal = {}});
  pass(BrokerProcess::kBackoffMax);

  EXPECT_THAT(processes_.started, SizeIs(3));
  EXPECT_THAT(given_up_, IsEmpty());
}

TEST_F(BrokerProcessTest, MissingProgramIsGivenUp) {
  processes_.refuse_starts = true;
  broker_.start();
  for (int i = 0; i < BrokerProcess::kFailedStartsMax; ++i) pass(BrokerProcess::kBackoffMax);

  EXPECT_THAT(given_up_, ElementsAre("no such program"));
}

TEST_F(BrokerProcessTest, BackoffGrowsWhileItKeepsDying) {
  broker_.start();
  processes_.print(1, "listening on http://127.0.0.1:1");
  processes_.end(1, {.exit_code = 1, .signal = {}});
  pass(BrokerProcess::kBackoffMin);
  processes_.print(2, "listening on http://127.0.0.1:1");
  processes_.end(2, {.exit_code = 1, .signal = {}});
  pass(BrokerProcess::kBackoffMin);
  EXPECT_THAT(processes_.started, SizeIs(2));

  pass(BrokerProcess::kBackoffMin);
  EXPECT_THAT(processes_.started, SizeIs(3));
  EXPECT_THAT(given_up_, IsEmpty());
}

TEST_F(BrokerProcessTest, StoppedOneIsNotRestarted) {
  broker_.start();
  broker_.stop(SIGTERM);
  processes_.end(1, {.exit_code = 0, .signal = {}});
  pass(BrokerProcess::kBackoffMax);

  EXPECT_THAT(processes_.signals, ElementsAre(std::pair(1, SIGTERM)));
  EXPECT_THAT(processes_.started, SizeIs(1));
  EXPECT_FALSE(broker_.is_running());
}

}  // namespace
}  // namespace sluice::local
