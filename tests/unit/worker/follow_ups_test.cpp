#include "worker/follow_ups.h"

namespace sluice::worker {
namespace {

std::string message_of(const Result<FollowUps>& jobs) {
  return jobs ? "" : jobs.error().message;
}

TEST(FollowUpLines, EachObjectIsAJobByteForByte) {
  struct Case {
    const char* name;
    std::string text;
    FollowUps want;
  };
  const Case cases[] = {
      {"nothing", "", {}},
      {"one", "{\"payload\": 1.0}\n", {"{\"payload\": 1.0}"}},
      {"without a newline at the end", "{\"payload\":1}", {"{\"payload\":1}"}},
      {"blank lines and carriage returns", "\n {\"a\":1} \r\n\n{}\n\n", {"{\"a\":1}", "{}"}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const auto jobs = parse_follow_up_lines(c.text);
    ASSERT_TRUE(jobs) << message_of(jobs);
    EXPECT_EQ(*jobs, c.want);
  }
}

TEST(FollowUpLines, ABadLineIsNamed) {
  const std::string deep = "{\"payload\":" + std::string(100, '[') + std::string(100, ']') + "}";
  struct Case {
    const char* name;
    std::string text;
    const char* want;
  };
  const Case cases[] = {
      {"text", "{}\n\nhello\n", "line 3 of the follow-up jobs: is no JSON object"},
      {"an array", "[{}]\n", "line 1 of the follow-up jobs: is no JSON object"},
      {"cut off", "{}\n{\"payload\":", "line 2 of the follow-up jobs: is no JSON (at byte 12)"},
      {"two in a line", "{}{}\n", "line 1 of the follow-up jobs: is no JSON (at byte 3)"},
      {"not UTF-8", "{\"a\":\"\xff\"}\n", "line 1 of the follow-up jobs: is no JSON (at byte 7)"},
      {"too deep", deep, "line 1 of the follow-up jobs: is nested deeper than 100"},
      {"a number the broker has no room for", "{\"a\":123456789012345678901}",
       "line 1 of the follow-up jobs: has a whole number that does not fit 64 bits"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(message_of(parse_follow_up_lines(c.text)), c.want);
  }
}

TEST(FollowUpLines, AreAsManyAsTheBrokerTakes) {
  std::string text;
  for (std::size_t i = 0; i < kFollowUpsMax; ++i) text += "{}\n";
  EXPECT_EQ(parse_follow_up_lines(text)->size(), kFollowUpsMax);

  EXPECT_EQ(message_of(parse_follow_up_lines(text + "{}\n")),
            "line 101 of the follow-up jobs: a run may enqueue at most 100 jobs");
}

TEST(FollowUpArray, ItsElementsAreTheJobs) {
  EXPECT_EQ(*parse_follow_up_array("[ {\"payload\": 1.0} ,{}]"),
            (FollowUps{"{\"payload\": 1.0}", "{}"}));
  EXPECT_TRUE(parse_follow_up_array("[]")->empty());

  EXPECT_EQ(message_of(parse_follow_up_array("null")), "enqueue: is no array of jobs");
  EXPECT_EQ(message_of(parse_follow_up_array("[{},7]")), "enqueue[1]: is no JSON object");
  std::string many = "[{}";
  for (std::size_t i = 0; i < kFollowUpsMax; ++i) many += ",{}";
  EXPECT_EQ(message_of(parse_follow_up_array(many + "]")),
            "enqueue[100]: a run may enqueue at most 100 jobs");
}

}  // namespace
}  // namespace sluice::worker
