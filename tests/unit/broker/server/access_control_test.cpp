// Decisions about callers, asked of a review server over real HTTP.
#include "broker/server/access_control.h"

#include <gmock/gmock.h>

#include <future>
#include <thread>

#include "tests/support/eventually.h"
#include "tests/support/manual_clock.h"
#include "tests/support/review_server.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/written_file.h"

namespace sluice::broker {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using Mood = testing::ReviewServer::Mood;

const std::string kWorker = "system:serviceaccount:shop:default";
const QueueName kMail{"shop", "mail"};

Task<void> answer_to(AccessControl& access, const Request& request, const RouteMatch& match,
                     std::shared_ptr<std::promise<Status>> answer) {
  answer->set_value(co_await access.check(request, match));
}

class AccessControlTest : public ::testing::Test {
 protected:
  AccessControlTest() {
    testing::replace_file(folder_.path() / "token", testing::ReviewServer::kOwnToken);
    access_.emplace(ReviewOptions{.api = *http::parse_url(reviews_.url()),
                                  .token_file = (folder_.path() / "token").string()},
                    clock_);
    network_ = std::thread([this] { io_.run(); });
  }
  ~AccessControlTest() override {
    reviews_.release();
    work_.reset();
    network_.join();
    access_->stop();
  }

  std::future<Status> ask(const std::string& authorization, Route route,
                          const QueueName& queue = kMail, const std::string& target = "/") {
    // Kept until the end: the check looks at them while it waits.
    Request& request = requests_.emplace_back();
    request.authorization = authorization;
    request.target = target;
    RouteMatch& match = matches_.emplace_back(RouteMatch{.route = route, .queue = queue});
    auto answer = std::make_shared<std::promise<Status>>();
    net::co_spawn(io_, answer_to(*access_, request, match, answer), net::detached);
    return answer->get_future();
  }
  // "ok", or the code and what was said.
  std::string check(const std::string& token, Route route, const QueueName& queue = kMail,
                    const std::string& target = "/") {
    const Status status = ask("Bearer " + token, route, queue, target).get();
    if (status) return "ok";
    return std::string(to_string(status.error().code)) + ": " + status.error().message;
  }

  testing::ManualClock clock_;
  testing::TemporaryFolder folder_;
  testing::ReviewServer reviews_;
  net::io_context io_{1};
  net::executor_work_guard<net::io_context::executor_type> work_{io_.get_executor()};
  std::deque<Request> requests_;
  std::deque<RouteMatch> matches_;
  std::optional<AccessControl> access_;
  std::thread network_;
};

TEST_F(AccessControlTest, ProbesTakeNoToken) {
  EXPECT_TRUE(ask("", Route::kHealthz).get());
  EXPECT_TRUE(ask("", Route::kReadyz).get());

  EXPECT_EQ(reviews_.token_reviews(), 0);
}

TEST_F(AccessControlTest, WhoShowsNoGoodTokenIsNotKnown) {
  reviews_.add_token("others", "alice", {"https://kubernetes.default.svc"});
  const std::string huge(limits::kTokenBytesMax + 1, 'x');

  const std::vector<std::string> authorizations = {"",
                                                   "Basic YTpi",
                                                   "Bearer",
                                                   "Bearer ",
                                                   "Bearer garbage",
                                                   "Bearer others",
                                                   "Bearer to\tken",
                                                   "Bearer to\xff",
                                                   "Bearer " + huge};
  for (const std::string& authorization : authorizations) {
    SCOPED_TRACE(authorization.substr(0, 40));
    const Status status = ask(authorization, Route::kEnqueue).get();
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, ErrorCode::kUnauthenticated);
    EXPECT_THAT(status.error().message, Not(HasSubstr("garbage")));
  }
  EXPECT_EQ(reviews_.token_reviews(), 2) << "only what can be a token is asked about";
}

TEST_F(AccessControlTest, AProducerNeedsTheRightInTheNamespaceOrOnTheQueue) {
  reviews_.add_token("t", "alice", {"sluice"});
  reviews_.grant("alice", "create queues/jobs", "shop");
  reviews_.grant("alice", "update queues/pause", "shop", "mail");

  EXPECT_EQ(check("t", Route::kEnqueue), "ok");
  EXPECT_EQ(check("t", Route::kPause), "ok");
  EXPECT_EQ(check("t", Route::kEnqueue, {"web", "mail"}),
            "permission-denied: \"alice\" needs verb create on queues/jobs (sluice.dev) in "
            "namespace web");
  EXPECT_EQ(check("t", Route::kRedrive),
            "permission-denied: \"alice\" needs verb update on queues/dead (sluice.dev) in "
            "namespace shop");
  EXPECT_THAT(check("t", Route::kPause, {"shop", "sms"}), HasSubstr("permission-denied"));
  EXPECT_THAT(check("t", Route::kClaim), HasSubstr("update on queues/leases"));
}

TEST_F(AccessControlTest, AWorkersTokenIsGoodForItsQueueAlone) {
  reviews_.add_token("w", kWorker, {"sluice:shop/mail"});

  EXPECT_EQ(check("w", Route::kClaim), "ok");
  EXPECT_EQ(check("w", Route::kExtend), "ok");
  EXPECT_EQ(check("w", Route::kSettle), "ok");
  EXPECT_EQ(reviews_.access_reviews(), 0);
  EXPECT_THAT(check("w", Route::kClaim, {"shop", "sms"}), HasSubstr("unauthenticated"));
  EXPECT_THAT(check("w", Route::kEnqueue), HasSubstr("unauthenticated"));
  EXPECT_THAT(check("w", Route::kListQueues, {}), HasSubstr("unauthenticated"));
}

TEST_F(AccessControlTest, AWorkersTokenMadeInAnotherNamespaceIsGoodForNothing) {
  reviews_.add_token("w", "system:serviceaccount:evil:default", {"sluice:shop/mail"});

  EXPECT_THAT(check("w", Route::kClaim), HasSubstr("no service account of namespace shop"));
}

TEST_F(AccessControlTest, CallsWithoutAQueueNeedTheRightInEachNamespaceTheyName) {
  reviews_.add_token("op", "operator", {"sluice"});
  reviews_.grant("operator", "list queues", "shop");

  EXPECT_EQ(check("op", Route::kListQueues, {}, "/v1/queues?namespaces=shop"), "ok");
  EXPECT_THAT(check("op", Route::kListQueues, {}, "/v1/queues?namespaces=shop,web"),
              HasSubstr("in namespace web"));
  EXPECT_THAT(check("op", Route::kListQueues, {}, "/v1/queues"), HasSubstr("in all namespaces"));
}

TEST_F(AccessControlTest, AYesIsBelievedForAMinuteAndANoForLess) {
  reviews_.add_token("t", "alice", {"sluice"});
  EXPECT_THAT(check("t", Route::kEnqueue), HasSubstr("permission-denied"));
  reviews_.grant("alice", "create queues/jobs", "shop");

  EXPECT_THAT(check("t", Route::kEnqueue), HasSubstr("permission-denied"));
  clock_.advance(limits::kRefusedMax);
  EXPECT_EQ(check("t", Route::kEnqueue), "ok");
  reviews_.remove_token("t");
  clock_.advance(54s);
  EXPECT_EQ(check("t", Route::kEnqueue), "ok");
  clock_.advance(1s);
  EXPECT_THAT(check("t", Route::kEnqueue), HasSubstr("unauthenticated"));
}

// SURVIVAL 15
TEST_F(AccessControlTest, WhatIsNotKnownIsNotGranted) {
  reviews_.add_token("known", "alice", {"sluice"});
  reviews_.add_token("new", "alice", {"sluice"});
  reviews_.grant("alice", "create queues/jobs");
  EXPECT_EQ(check("known", Route::kEnqueue), "ok");

  for (const Mood mood : {Mood::kFails, Mood::kHangsUp}) {
    reviews_.set_mood(mood);
    EXPECT_EQ(check("known", Route::kEnqueue), "ok");
    EXPECT_THAT(check("known", Route::kRedrive), HasSubstr("unavailable: "));
    EXPECT_THAT(check("new", Route::kEnqueue), HasSubstr("unavailable: "));
  }
  reviews_.set_mood(Mood::kAnswers);
  EXPECT_EQ(check("new", Route::kEnqueue), "ok") << "a failure is not remembered";
}

TEST_F(AccessControlTest, ManyWhoAskTheSameAreOneReview) {
  reviews_.add_token("t", "alice", {"sluice"});
  reviews_.grant("alice", "create queues/jobs");
  reviews_.hold();
  std::vector<std::future<Status>> answers;
  for (int i = 0; i < 50; ++i) answers.push_back(ask("Bearer t", Route::kEnqueue));
  ASSERT_TRUE(testing::eventually([&] { return reviews_.token_reviews() == 1; }));
  EXPECT_TRUE(ask("", Route::kHealthz).get()) << "the network thread is not held up";

  reviews_.release();

  for (auto& answer : answers) EXPECT_TRUE(answer.get());
  EXPECT_EQ(reviews_.token_reviews(), 1);
  EXPECT_EQ(reviews_.access_reviews(), 1);
}

}  // namespace
}  // namespace sluice::broker
