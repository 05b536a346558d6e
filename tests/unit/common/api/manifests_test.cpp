// Walks manifests/good, the examples and manifests/bad. A bad one says in its first line what is
// wanted first:
// `# want: LINE FIELD-PATH`, with - for a mistake that belongs to no field.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "common/api/decode.h"

namespace sluice::api {
namespace {

std::vector<std::filesystem::path> files_in(const std::filesystem::path& folder) {
  const char* const root = std::getenv("SLUICE_SOURCE_DIR");
  if (root == nullptr) return {};
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(root / folder)) {
    files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string read_file(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

std::vector<std::filesystem::path> good_ones() {
  auto files = files_in("tests/unit/common/api/manifests/good");
  for (auto& example : files_in("examples/queues")) files.push_back(std::move(example));
  return files;
}

std::vector<std::filesystem::path> bad_ones() {
  return files_in("tests/unit/common/api/manifests/bad");
}

TEST(Manifests, GoodOnesHaveNoErrors) {
  const auto files = good_ones();
  ASSERT_GE(files.size(), 40u) << "is SLUICE_SOURCE_DIR set?";

  for (const auto& file : files) {
    SCOPED_TRACE(file.filename());
    const DecodedFile decoded = decode_manifests(read_file(file), file.filename().string());
    for (const DecodeError& error : decoded.errors) ADD_FAILURE() << to_string(error);
    EXPECT_EQ(decoded.manifests.empty(), file.filename() == "comments_only.yaml");
  }
}

TEST(Manifests, BadOnesNameLineAndField) {
  const auto files = bad_ones();
  ASSERT_GE(files.size(), 180u) << "is SLUICE_SOURCE_DIR set?";

  for (const auto& file : files) {
    SCOPED_TRACE(file.filename());
    const std::string text = read_file(file);
    std::istringstream first_line(text.substr(0, text.find('\n')));
    std::string hash, want, field;
    int line = 0;
    first_line >> hash >> want >> line >> field;
    ASSERT_EQ(want, "want:");
    if (field == "-") field.clear();

    const DecodedFile decoded = decode_manifests(text, "f");
    ASSERT_FALSE(decoded.errors.empty());
    EXPECT_EQ(decoded.errors[0].line, line) << to_string(decoded.errors[0]);
    EXPECT_EQ(decoded.errors[0].field, field) << to_string(decoded.errors[0]);
    EXPECT_EQ(decoded.errors.size(), 1u) << to_string(decoded.errors.back());
  }
}

// What the object store keeps reads as what was written.
TEST(Manifests, SpecJsonReadsTheSame) {
  for (const auto& file : good_ones()) {
    SCOPED_TRACE(file.filename());
    for (const Manifest& manifest : decode_manifests(read_file(file), "f").manifests) {
      if (manifest.kind == Kind::kQueue) {
        const auto spec = decode_queue_spec(manifest.spec_json, UnknownMembers::kRefuse);
        ASSERT_TRUE(spec) << spec.error().message;
        EXPECT_EQ(*spec, std::get<QueueSpec>(manifest.spec));
      } else if (manifest.kind == Kind::kJob) {
        const auto spec = decode_job_spec(manifest.spec_json, UnknownMembers::kRefuse);
        ASSERT_TRUE(spec) << spec.error().message;
        EXPECT_EQ(*spec, std::get<JobSpec>(manifest.spec));
      } else {
        const auto spec = decode_schedule_spec(manifest.spec_json, UnknownMembers::kRefuse);
        ASSERT_TRUE(spec) << spec.error().message;
        EXPECT_EQ(*spec, std::get<ScheduleSpec>(manifest.spec));
      }
    }
  }
}

constexpr const char* kHead = "apiVersion: sluice.dev/v1alpha1\nkind: Queue\nmetadata: {name: q}\n";

TEST(DecodeManifests, ErrorReadsAsASentence) {
  const auto decoded = decode_manifests(
      std::string(kHead) + "spec:\n  scaling:\n    minReplicas: many\n", "queue.yaml");

  ASSERT_EQ(decoded.errors.size(), 1u);
  EXPECT_EQ(to_string(decoded.errors[0]),
            "queue.yaml:6: spec.scaling.minReplicas: must be a whole number between 0 and 10000, "
            "not \"many\"");
}

TEST(DecodeManifests, EveryMistakeIsReportedInOrderOfLines) {
  const auto decoded = decode_manifests(
      std::string(kHead) + "spec:\n  leaseSeconds: 0\n  timeoutSeconds: 0\n  x: 1\n  pause: 1\n",
      "f");

  std::vector<int> lines;
  for (const DecodeError& error : decoded.errors) lines.push_back(error.line);
  EXPECT_EQ(lines, (std::vector<int>{5, 6, 7, 8}));
  EXPECT_TRUE(decoded.manifests.empty());
}

TEST(DecodeManifests, UnknownFieldSuggestsTheNearest) {
  const auto decoded =
      decode_manifests(std::string(kHead) + "spec: {scaling: {minReplica: 1}}\n", "f");

  ASSERT_EQ(decoded.errors.size(), 1u);
  EXPECT_EQ(decoded.errors[0].message, "is not a field (did you mean minReplicas?)");
}

TEST(DecodeManifests, OneBadDocumentLeavesTheOthers) {
  const auto decoded =
      decode_manifests(std::string(kHead) + "spec: {x: 1}\n---\n" + kHead + "spec: {}\n", "f");

  EXPECT_EQ(decoded.errors.size(), 1u);
  ASSERT_EQ(decoded.manifests.size(), 1u);
  EXPECT_EQ(decoded.manifests[0].line, 6);
}

TEST(DecodeManifests, OtherGroupsAreSkippedWithALine) {
  const auto decoded = decode_manifests(
      "# web\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n", "f");

  EXPECT_EQ(decoded.skipped, std::vector<std::string>{"apps/v1 Deployment web (line 2)"});
  EXPECT_TRUE(decoded.errors.empty());
}

TEST(DecodeManifests, FilesThatAreNoManifestsAreSkipped) {
  const DecodedFile decoded =
      decode_manifests(R"({"name": "web", "private": true})", "package.json");

  EXPECT_TRUE(decoded.errors.empty());
  EXPECT_EQ(decoded.skipped,
            std::vector<std::string>{"a document without apiVersion and kind (line 1)"});
}

// SURVIVAL 27: nothing hostile grows beyond its limit.
TEST(DecodeManifests, AliasesAreBounded) {
  std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before;
    for (int j = 0; j < 8; ++j) text += ", " + before;
    text += "]\n";
  }

  const auto decoded = decode_manifests(text, "f");

  const auto about_aliases = [](const DecodeError& error) {
    return error.message.find("aliases") != std::string::npos;
  };
  EXPECT_TRUE(std::any_of(decoded.errors.begin(), decoded.errors.end(), about_aliases));
}

TEST(DecodeManifests, StrayBracketEndsTheReading) {
  for (const char* const text : {"}", "]", "a: 1\n---\n}", "{}}", "a: ]"}) {
    SCOPED_TRACE(text);
    EXPECT_FALSE(decode_manifests(text, "f").errors.empty());
  }
}

TEST(DecodeManifests, DepthIsBounded) {
  for (const int depth : {129, 3'000, 10'000}) {
    SCOPED_TRACE(depth);
    const auto size = static_cast<std::size_t>(depth);
    const std::string nested = std::string(size, '[') + std::string(size, ']');
    const auto yaml = decode_manifests("a: " + nested, "f");
    const auto json = decode_job_spec(R"({"payload":)" + nested + "}", UnknownMembers::kRefuse);
    ASSERT_FALSE(yaml.errors.empty());
    EXPECT_EQ(yaml.errors.front().message, "is nested deeper than 128 levels");
    EXPECT_TRUE(yaml.errors.front().field.starts_with("a[0][0]"));
    EXPECT_FALSE(json);
  }
}

TEST(DecodeManifests, FileIsBoundedAndUtf8) {
  EXPECT_EQ(decode_manifests(std::string(17 * 1024 * 1024, ' '), "f").errors.size(), 1u);
  EXPECT_EQ(decode_manifests("a: \xff", "f").errors.size(), 1u);
}

TEST(DecodeManifests, ManyErrorsAreCutButNothingBadPasses) {
  std::string text = "apiVersion: v1\nkind: List\nitems:\n";
  for (int i = 0; i < 300; ++i) {
    text += "- {apiVersion: sluice.dev/v1alpha1, kind: Queue, metadata: {name: q}, spec: {x: 1}}\n";
  }

  const auto decoded = decode_manifests(text, "f");

  EXPECT_EQ(decoded.errors.size(), 100u);
  EXPECT_TRUE(decoded.manifests.empty());
}

}  // namespace
}  // namespace sluice::api
