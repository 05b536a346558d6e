#include "cli/document.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <nlohmann/json.hpp>

namespace sluice::cli {
namespace {

TEST(Document, YamlQuotesTextThatLooksLikeSomethingElse) {
  const auto document = parse_json(R"({"a":"true","b":"12","c":"","d":true,"e":12,"f":"plain"})");
  ASSERT_TRUE(document);

  EXPECT_EQ(print(*document, DocumentFormat::kYaml),
            "a: \"true\"\nb: \"12\"\nc: \"\"\nd: true\ne: 12\nf: plain\n");
}

TEST(Document, YamlReadsBackAsItWas) {
  const auto document = parse_json(
      R"({"text":"two\nlines: # no comment","list":[1,2.5,{"k":"-"}],"none":[],"nil":null})");
  ASSERT_TRUE(document);

  const YAML::Node read = YAML::Load(print(*document, DocumentFormat::kYaml));

  EXPECT_EQ(read["text"].as<std::string>(), "two\nlines: # no comment");
  EXPECT_EQ(read["list"][1].as<double>(), 2.5);
  EXPECT_EQ(read["list"][2]["k"].as<std::string>(), "-");
  EXPECT_EQ(read["none"].size(), 0u);
  EXPECT_TRUE(read["nil"].IsNull());
}

TEST(Document, JsonKeepsTheOrderOfMembers) {
  const auto document = parse_json(R"({"z":1,"a":2})");
  ASSERT_TRUE(document);

  EXPECT_EQ(print(*document, DocumentFormat::kJson), "{\n  \"z\": 1,\n  \"a\": 2\n}\n");
}

TEST(Document, SaysWhereTextStopsBeingJson) {
  EXPECT_FALSE(is_json("{\"a\":}"));
  EXPECT_THAT(json_mistake("{\"a\":}"), ::testing::HasSubstr("column 6"));
}

}  // namespace
}  // namespace sluice::cli
