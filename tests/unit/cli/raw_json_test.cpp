#include "cli/raw_json.h"

#include <gmock/gmock.h>

namespace sluice::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(RawJson, MembersKeepTheirBytes) {
  const auto members = raw_members(
      " {\"a\" : 1.0 ,\"b\":{\"c\":[1,\"}]\",{}]} , \"d\\\"\":\"x\\\\\",\"e\":[\n1 "
      "]\n,\"f\":null}\n");

  std::vector<std::string> seen;
  for (const auto& [name, value] : members) {
    seen.push_back(std::string(name).append("=").append(value));
  }
  EXPECT_THAT(seen,
              ElementsAre("a=1.0", R"(b={"c":[1,"}]",{}]})", R"(d\"="x\\")", "e=[\n1 ]", "f=null"));
  EXPECT_EQ(raw_member(members, "a"), "1.0");
  EXPECT_EQ(raw_member(members, "g"), "");
}

TEST(RawJson, ElementsKeepTheirBytes) {
  EXPECT_THAT(raw_elements(R"([ 1e2,"a,]", [[]],{"b":[2]} ])"),
              ElementsAre("1e2", R"("a,]")", "[[]]", R"({"b":[2]})"));
  EXPECT_THAT(raw_elements(" [ ] "), IsEmpty());
}

TEST(RawJson, WhatIsNeitherHasNone) {
  for (const char* text : {"1", "\"{\"", "null", "{}", "{ }"}) {
    EXPECT_THAT(raw_members(text), IsEmpty()) << text;
    EXPECT_THAT(raw_elements(text), IsEmpty()) << text;
  }
}

}  // namespace
}  // namespace sluice::cli
