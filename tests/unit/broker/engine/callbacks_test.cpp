#include <nlohmann/json.hpp>

#include "tests/unit/broker/engine/engine_fixture.h"

namespace sluice::broker::testing {
namespace {

const QueueName kDeliveries{"default", std::string(kCallbackQueueName)};

class CallbacksTest : public EngineTest {
 protected:
  static NewJob with_callback() {
    NewJob job;
    job.callback = api::Callback{"https://example.org:8443/in?a=1", "hook"};
    return job;
  }

  // Claims what is to be delivered, as the sender does.
  ClaimGrant take_deliveries(int max = 100) {
    const auto grant = engine_->claim({kDeliveries, "sender", {}, max}, now(), book_);
    return grant ? *grant : ClaimGrant{};
  }
  nlohmann::json message(JobId id) {
    const auto number = engine_->queue_number(kDeliveries);
    EXPECT_TRUE(number);
    const auto body = book_.bodies.find({*number, id});
    EXPECT_NE(body, book_.bodies.end());
    return nlohmann::json::parse(body->second);
  }
  Status settle_delivery(const ClaimGrant& grant, Outcome outcome) {
    SettleRequest request{kDeliveries, grant.jobs[0].id, grant.claim, outcome, {}, {}, {}};
    if (outcome == Outcome::kFailed) request.error = exit_code(1);
    return engine_->settle(std::move(request), now(), book_);
  }
};

TEST_F(CallbacksTest, ASuccessLeavesAMessageWithTheResultBehind) {
  const JobId id = enqueue(with_callback());
  const ClaimGrant grant = claim();
  ASSERT_TRUE(settle(id, grant.claim, Outcome::kSucceeded, {}, {}, R"({"n": 1.00})"));

  const ClaimGrant deliveries = take_deliveries();

  ASSERT_EQ(deliveries.jobs.size(), 1u);
  const auto delivery = engine_->find(kDeliveries, deliveries.jobs[0].id, now());
  EXPECT_EQ(delivery->extras.callback, with_callback().callback);
  EXPECT_EQ(delivery->extras.tenant, "example.org:8443");
  const auto body = message(deliveries.jobs[0].id);
  EXPECT_EQ(body["type"], "job.succeeded");
  EXPECT_EQ(body["data"]["id"], to_string(id));
  EXPECT_EQ(body["data"]["queue"], "mail");
  EXPECT_EQ(body["data"]["result"]["n"], 1.0);
  EXPECT_FALSE(body["data"].contains("error"));
}

TEST_F(CallbacksTest, EachWayToEndIsTold) {
  const JobId dead = enqueue(with_callback());
  fail_next(exit_code(65));
  const JobId cancelled = enqueue(with_callback());
  ASSERT_TRUE(engine_->cancel(kMail, cancelled, now(), book_));
  NewJob late = with_callback();
  late.expires_at = now().wall + 10s;
  const JobId expired = enqueue(std::move(late));
  advance(11s);

  std::map<std::string, std::string> types;
  for (const Granted& job : take_deliveries().jobs) {
    const auto body = message(job.id);
    types[body["data"]["id"]] = body["type"];
  }

  EXPECT_EQ(types, (std::map<std::string, std::string>{{to_string(dead), "job.dead"},
                                                       {to_string(cancelled), "job.cancelled"},
                                                       {to_string(expired), "job.dead"}}));
}

TEST_F(CallbacksTest, AnAttemptThatIsRetriedIsNoEnd) {
  enqueue(with_callback());
  fail_next();

  EXPECT_FALSE(engine_->queue(kDeliveries, now()));
}

TEST_F(CallbacksTest, ADeliveryIsRetriedAndDiesWithoutACallbackOfItsOwn) {
  enqueue(with_callback());
  fail_next(exit_code(65));
  for (int attempt = 0; attempt < 12; ++attempt) {
    const ClaimGrant grant = take_deliveries();
    ASSERT_EQ(grant.jobs.size(), 1u) << attempt;
    ASSERT_TRUE(settle_delivery(grant, Outcome::kFailed));
    advance(6h);
  }

  const auto figures = engine_->queue(kDeliveries, now())->figures;
  EXPECT_EQ(figures.dead, 1);
  EXPECT_EQ(figures.backlog, 0);
}

TEST_F(CallbacksTest, TheDelivererIsToldOfWhatMayStart) {
  enqueue(with_callback());
  EXPECT_TRUE(effects().deliveries.empty());
  fail_next(exit_code(65));

  const Effects told = effects();
  ASSERT_EQ(told.deliveries.size(), 1u);
  EXPECT_EQ(told.deliveries[0].first, kDeliveries);

  const ClaimGrant grant = take_deliveries();
  EXPECT_TRUE(effects().deliveries.empty());
  ASSERT_TRUE(settle_delivery(grant, Outcome::kFailed));
  EXPECT_TRUE(effects().deliveries.empty());
  advance(5s);
  EXPECT_EQ(effects().deliveries.size(), 1u);
}

TEST_F(CallbacksTest, DeliveriesOutlastARestart) {  // SURVIVAL 20
  enqueue(with_callback());
  const JobId waiting = enqueue(with_callback());
  fail_next(exit_code(65));
  restart();

  EXPECT_EQ(effects().deliveries.size(), 1u);
  ASSERT_EQ(take_deliveries().jobs.size(), 1u);
  ASSERT_TRUE(engine_->cancel(kMail, waiting, now(), book_));
  EXPECT_EQ(take_deliveries().jobs.size(), 1u);
}

// SURVIVAL 30: one receiver that hangs holds up no other.
TEST_F(CallbacksTest, AReceiverHoldsAtMostFourDeliveriesAtOnce) {
  for (int i = 0; i < 8; ++i) {
    ASSERT_TRUE(engine_->cancel(kMail, enqueue(with_callback()), now(), book_));
  }
  NewJob other = with_callback();
  other.callback->url = "http://elsewhere.example.org/";
  ASSERT_TRUE(engine_->cancel(kMail, enqueue(std::move(other)), now(), book_));

  EXPECT_EQ(take_deliveries().jobs.size(), 5u);
}

}  // namespace
}  // namespace sluice::broker::testing
