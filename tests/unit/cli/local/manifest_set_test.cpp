#include "cli/local/manifest_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::local {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string queue_yaml(const std::string& name, int timeout = 300) {
  return "apiVersion: sluice.dev/v1alpha1\nkind: Queue\nmetadata: {name: " + name +
         "}\nspec: {timeoutSeconds: " + std::to_string(timeout) + "}\n";
}

std::string job_yaml(const std::string& name, int priority, bool suspend = false) {
  return "apiVersion: sluice.dev/v1alpha1\nkind: Job\nmetadata: {name: " + name +
         "}\nspec: {queue: mail, payload: {a: 1}, priority: " + std::to_string(priority) +
         (suspend ? ", suspend: true" : "") + "}\n";
}

ManifestFile file(std::string path, std::string text) {
  return {std::move(path), std::move(text), ""};
}

std::vector<std::string> applied(const ManifestChanges& changes) {
  std::vector<std::string> names;
  for (const op::Object& object : changes.apply) names.push_back(to_string(object.key));
  return names;
}

std::vector<std::string> removed(const ManifestChanges& changes) {
  std::vector<std::string> names;
  for (const op::ObjectKey& key : changes.remove) names.push_back(to_string(key));
  return names;
}

TEST(ManifestSet, AppliesWhatIsNewAndNothingTwice) {
  ManifestSet set("default");
  const std::vector<ManifestFile> files = {file("a.yaml", queue_yaml("mail"))};

  EXPECT_THAT(applied(set.update(files)), ElementsAre("Queue default/mail"));
  EXPECT_THAT(applied(set.update(files)), IsEmpty());
}

TEST(ManifestSet, RemembersTheFileInAnAnnotation) {
  ManifestSet set("default");

  const auto changes = set.update({file("sub/a.yaml", queue_yaml("mail"))});

  ASSERT_EQ(changes.apply.size(), 1u);
  EXPECT_EQ(changes.apply[0].annotations.at(kManifestAnnotation), "sub/a.yaml");
}

TEST(ManifestSet, ChangedSpecIsAppliedAgain) {
  ManifestSet set("default");
  (void)set.update({file("a.yaml", queue_yaml("mail"))});

  const auto changes = set.update({file("a.yaml", queue_yaml("mail", 20))});

  EXPECT_THAT(applied(changes), ElementsAre("Queue default/mail"));
  EXPECT_THAT(removed(changes), IsEmpty());
}

TEST(ManifestSet, RemovedFileOrDocumentRemovesItsObjects) {
  ManifestSet set("default");
  (void)set.update({file("a.yaml", queue_yaml("one") + "---\n" + queue_yaml("two")),
                    file("b.yaml", queue_yaml("three"))});

  const auto changes = set.update({file("a.yaml", queue_yaml("one"))});

  EXPECT_THAT(removed(changes), ElementsAre("Queue default/three", "Queue default/two"));
  EXPECT_THAT(
      applied(set.update({file("a.yaml", queue_yaml("one")), file("b.yaml", queue_yaml("three"))})),
      ElementsAre("Queue default/three"));
}

TEST(ManifestSet, BrokenFileIsReportedAndItsLastGoodVersionStays) {
  ManifestSet set("default");
  (void)set.update({file("a.yaml", queue_yaml("mail"))});

  const auto broken = set.update({file("a.yaml", queue_yaml("mail", -1))});
  const auto again = set.update({file("a.yaml", queue_yaml("mail", -1))});
  const auto gone = set.update({});

  EXPECT_THAT(broken.errors, ElementsAre(AllOf(HasSubstr("a.yaml:"), HasSubstr("timeoutSeconds"))));
  EXPECT_THAT(removed(broken), IsEmpty());
  EXPECT_THAT(again.errors, IsEmpty());
  EXPECT_THAT(removed(gone), ElementsAre("Queue default/mail"));
}

TEST(ManifestSet, UnreadableFileKeepsItsObjects) {
  ManifestSet set("default");
  (void)set.update({file("a.yaml", queue_yaml("mail"))});

  const auto changes = set.update({{"a.yaml", std::nullopt, "permission denied"}});

  EXPECT_THAT(changes.errors, ElementsAre(HasSubstr("permission denied")));
  EXPECT_THAT(removed(changes), IsEmpty());
  EXPECT_EQ(set.broken_files(), 1u);
}

TEST(ManifestSet, ObjectOfTwoFilesIsAnErrorThatNamesBoth) {
  ManifestSet set("default");
  (void)set.update({file("b.yaml", queue_yaml("mail", 20))});

  const std::vector<ManifestFile> twice = {file("a.yaml", queue_yaml("mail", 30)),
                                           file("b.yaml", queue_yaml("mail", 20))};
  const auto changes = set.update(twice);

  EXPECT_THAT(changes.errors, ElementsAre(AllOf(HasSubstr("a.yaml:1"), HasSubstr("b.yaml:1"),
                                                HasSubstr("Queue default/mail"))));
  EXPECT_THAT(applied(changes), IsEmpty()) << "the file that had it keeps it";
  EXPECT_THAT(set.update(twice).errors, IsEmpty()) << "said once";
  EXPECT_EQ(set.broken_files(), 1u);
}

TEST(ManifestSet, ObjectTwiceInOneFileIsAnError) {
  ManifestSet set("default");

  const auto changes =
      set.update({file("a.yaml", queue_yaml("mail") + "---\n" + queue_yaml("mail"))});

  EXPECT_THAT(changes.errors, ElementsAre(AllOf(HasSubstr("a.yaml:6"), HasSubstr("line 1"))));
  EXPECT_THAT(applied(changes), IsEmpty());
}

TEST(ManifestSet, MovedDocumentIsTheSameObject) {
  ManifestSet set("default");
  (void)set.update({file("a.yaml", queue_yaml("mail"))});

  const auto changes = set.update({file("b.yaml", queue_yaml("mail"))});

  EXPECT_THAT(removed(changes), IsEmpty());
  EXPECT_THAT(applied(changes), ElementsAre("Queue default/mail"));
  EXPECT_EQ(changes.apply[0].annotations.at(kManifestAnnotation), "b.yaml");
}

TEST(ManifestSet, JobIsFrozenUnlessItIsSuspended) {
  struct Case {
    const char* name;
    std::string before;
    std::string after;
    bool applied;
  };
  const Case cases[] = {
      {"frozen", job_yaml("j", 5), job_yaml("j", 6), false},
      {"suspended", job_yaml("j", 5, true), job_yaml("j", 6), true},
      {"written differently", job_yaml("j", 5), job_yaml("j", 5) + "# the same\n", false},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    ManifestSet set("default");
    (void)set.update({file("j.yaml", c.before)});

    const auto changes = set.update({file("j.yaml", c.after)});

    EXPECT_EQ(!changes.apply.empty(), c.applied);
  }
}

TEST(ManifestSet, FrozenJobIsReported) {
  ManifestSet set("default");
  (void)set.update({file("j.yaml", job_yaml("j", 5))});

  const auto changes = set.update({file("j.yaml", job_yaml("j", 6))});

  EXPECT_THAT(changes.errors, ElementsAre(AllOf(HasSubstr("j.yaml:1"), HasSubstr("frozen"))));
}

TEST(ManifestSet, AdoptedObjectWithoutManifestIsRemoved) {
  ManifestSet before("default");
  const auto made =
      before.update({file("a.yaml", queue_yaml("kept")), file("b.yaml", queue_yaml("gone"))});
  ManifestSet set("default");
  for (const op::Object& object : made.apply) set.adopt(object);

  const auto changes = set.update({file("a.yaml", queue_yaml("kept"))});

  EXPECT_THAT(applied(changes), IsEmpty());
  EXPECT_THAT(removed(changes), ElementsAre("Queue default/gone"));
}

TEST(ManifestSet, AdoptedObjectOfABrokenFileStays) {
  ManifestSet before("default");
  const auto made = before.update({file("a.yaml", queue_yaml("mail"))});
  ManifestSet set("default");
  set.adopt(made.apply[0]);

  const auto changes = set.update({file("a.yaml", "kind: [")});

  EXPECT_THAT(removed(changes), IsEmpty());
  EXPECT_EQ(changes.errors.size(), 1u);
}

TEST(ManifestSet, OtherGroupsAreSkippedWithALine) {
  ManifestSet set("default");

  const auto changes = set.update(
      {file("a.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n---\n" +
                          queue_yaml("mail"))});

  EXPECT_THAT(changes.skipped, ElementsAre(AllOf(HasSubstr("a.yaml"), HasSubstr("Deployment"))));
  EXPECT_THAT(applied(changes), ElementsAre("Queue default/mail"));
  EXPECT_THAT(changes.errors, IsEmpty());
}

}  // namespace
}  // namespace sluice::local
