#include "broker/server/job_filter.h"

#include <gtest/gtest.h>

namespace sluice::broker {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kThen{1'800'000'000s};

JobExtras labelled(api::Labels labels) {
  JobExtras extras;
  extras.labels = std::move(labels);
  return extras;
}

TEST(JobFilter, WantsAllItsLabelsAndItsTimes) {
  JobFilter filter;
  EXPECT_TRUE(filter.matches(kThen, labelled({})));

  filter.labels = {{"a", "1"}, {"b", "2"}};
  EXPECT_TRUE(filter.matches(kThen, labelled({{"a", "1"}, {"b", "2"}, {"c", "3"}})));
  EXPECT_FALSE(filter.matches(kThen, labelled({{"a", "1"}})));
  EXPECT_FALSE(filter.matches(kThen, labelled({{"a", "1"}, {"b", "3"}})));

  filter.labels.clear();
  filter.created_before = kThen;
  EXPECT_FALSE(filter.matches(kThen, labelled({})));
  EXPECT_TRUE(filter.matches(kThen - 1us, labelled({})));
  filter.created_after = kThen - 2us;
  EXPECT_TRUE(filter.matches(kThen - 1us, labelled({})));
  EXPECT_FALSE(filter.matches(kThen - 2us, labelled({})));
}

TEST(ParseLabelQuery, TakesPairs) {
  EXPECT_EQ(*parse_label_query("a=1,b=x=y,c="), (api::Labels{{"a", "1"}, {"b", "x=y"}, {"c", ""}}));
  for (const char* text : {"", "a", "=1", "a=1,,b=2"}) {
    SCOPED_TRACE(text);
    const auto labels = parse_label_query(text);
    ASSERT_FALSE(labels);
    EXPECT_EQ(labels.error().field, "labels");
  }
}

TEST(DecodeCancelJobs, NamesWhatIsWrong) {
  const auto refused = [](const char* body) {
    const auto call = decode_cancel_jobs(JsonView{body}, UnknownMembers::kRefuse);
    return call ? std::string{} : call.error().field;
  };
  EXPECT_EQ(refused(R"({"filter":{"labels":{"a":"1"}},"max":5})"), "");
  EXPECT_EQ(refused(R"({"filter":{"state":"Running"}})"), "");
  EXPECT_EQ(refused(R"({})"), "filter");
  EXPECT_EQ(refused(R"({"filter":{}})"), "filter");
  EXPECT_EQ(refused(R"({"filter":{"state":"Dead"}})"), "filter.state");
  EXPECT_EQ(refused(R"({"filter":{"labels":{"a":1}}})"), "filter.labels.a");
  EXPECT_EQ(refused(R"({"filter":{"state":"Ready"},"max":0})"), "max");
  EXPECT_EQ(refused(R"({"filter":{"state":"Ready"},"cursor":"x"})"), "cursor");
}

}  // namespace
}  // namespace sluice::broker
