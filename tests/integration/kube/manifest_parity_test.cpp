// The whole table of manifests against a real API server with strict field validation: it accepts
// and refuses what common/api accepts and refuses, and names the same field.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "common/api/decode.h"
#include "operator/kube/api_client.h"
#include "tests/integration/kube/cluster.h"

namespace sluice::testing {
namespace {

using nlohmann::json;

std::string read_file(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

std::vector<std::filesystem::path> files_of(const std::string& folder) {
  const char* const root = std::getenv("SLUICE_SOURCE_DIR");
  if (root == nullptr) return {};
  std::vector<std::filesystem::path> files;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(root) / folder)) {
    if (entry.path().extension() == ".yaml") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

// A stream's documents as they are written, as kubectl sends them one by one.
std::vector<std::string> documents_of(const std::string& text) {
  std::vector<std::string> documents(1);
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line == "---" || line == "...") {
      documents.emplace_back();
    } else {
      documents.back() += line + "\n";
    }
  }
  return documents;
}

bool has_content(const std::string& document) {
  std::istringstream lines(document);
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty() && line[0] != '#') return true;
  }
  return false;
}

bool has_line(const std::string& document, const std::string& start) {
  return ("\n" + document).find("\n" + start) != std::string::npos;
}

// Lists are taken apart by kubectl; other groups are not ours.
bool is_for_us(const std::string& document) {
  return has_content(document) && !has_line(document, "kind: List") &&
         !has_line(document, "apiVersion: apps/");
}

std::string resource_of(const std::string& document) {
  if (document.find("kind: Job") != std::string::npos ||
      document.find("\"kind\": \"Job\"") != std::string::npos) {
    return "jobs";
  }
  return document.find("kind: Schedule") != std::string::npos ? "schedules" : "queues";
}

struct Answer {
  int status = 0;
  std::string message;
};

class ManifestParity : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!cluster_.missing().empty()) GTEST_SKIP() << cluster_.missing();
    client_ = cluster_.make_client();
  }

  // What `kubectl create --dry-run=server --validate=strict` is told.
  Answer post(const std::string& document) {
    return send(
        {.method = "POST",
         .path = "/apis/sluice.dev/v1alpha1/namespaces/default/" + resource_of(document) +
                 "?dryRun=All&fieldValidation=Strict&fieldManager=sluice-tests",
         .body = document,
         .content_type = document.starts_with("{") ? "application/json" : "application/yaml"});
  }

  Answer send(const kube::ApiRequest& request) {
    const auto response = client_->send(request);
    if (!response) return {0, response.error().message};
    const json body = json::parse(response->body, nullptr, /*allow_exceptions=*/false);
    return {response->status, body.is_object() ? body.value("message", "") : ""};
  }

  // The first refusal of a file's documents, or the last answer.
  Answer post_file(const std::string& text) {
    Answer answer;
    for (const std::string& document : documents_of(text)) {
      if (!is_for_us(document)) continue;
      answer = post(document);
      if (answer.status != 201) break;
    }
    return answer;
  }

  Cluster cluster_;

 private:
  std::unique_ptr<kube::ApiClient> client_;
};

// Whether the message names the field. A rule cannot point into a list, so its message does; what
// the server refuses before it sees an object it can only describe.
bool names_field(const Answer& answer, const std::string& field) {
  const auto holds = [&](const std::string& part) {
    return answer.message.find(part) != std::string::npos;
  };
  if (holds(field)) return true;
  if (answer.status != 422) {
    return holds("yaml: ") || holds("json: ") || holds("does not match") || holds("API version") ||
           holds("in version") || holds("must be of type");
  }
  if (field.starts_with("metadata.")) return holds(field.substr(0, field.find_first_of(".[", 9)));
  const std::size_t bracket = field.find('[');
  if (bracket == std::string::npos) return false;
  const std::string list = field.substr(0, bracket);
  return holds(list) && holds(field.substr(list.rfind('.') + 1));
}

constexpr const char* kTable = "tests/unit/common/api/manifests/";

TEST_F(ManifestParity, GoodOnesAreAccepted) {
  std::size_t tried = 0;
  for (const std::string& folder : {std::string(kTable) + "good", std::string("examples/queues")}) {
    for (const auto& file : files_of(folder)) {
      SCOPED_TRACE(file.filename());
      const std::string text = read_file(file);
      ASSERT_TRUE(api::decode_manifests(text, "f").errors.empty());

      const Answer answer = post_file(text);

      if (answer.status == 0 && answer.message.empty()) continue;  // nothing of ours in it
      EXPECT_EQ(answer.status, 201) << answer.message;
      ++tried;
    }
  }
  EXPECT_GE(tried, 35u);
}

TEST_F(ManifestParity, BadOnesAreRefusedByTheNameOfTheField) {
  std::size_t tried = 0;
  for (const auto& file : files_of(std::string(kTable) + "bad")) {
    SCOPED_TRACE(file.filename());
    const std::string text = read_file(file);
    const auto errors = api::decode_manifests(text, "f").errors;
    ASSERT_FALSE(errors.empty());

    const Answer answer = post_file(text);

    if (answer.status == 0 && answer.message.empty()) continue;
    EXPECT_TRUE(answer.status == 400 || answer.status == 422) << answer.status;
    EXPECT_TRUE(names_field(answer, errors[0].field))
        << "wanted: " << errors[0].field << "\ngot: " << answer.message;
    ++tried;
  }
  EXPECT_GE(tried, 180u);
}

class JobFreeze : public ManifestParity {
 protected:
  // What an update of the Job's spec is answered.
  Answer patch(const std::string& spec) {
    return send({.method = "PATCH",
                 .path = jobs_path() + "/one",
                 .body = R"({"spec":)" + spec + "}",
                 .content_type = "application/merge-patch+json"});
  }

  Answer make(const std::string& spec) {
    return send({.method = "POST",
                 .path = jobs_path(),
                 .body = R"({"apiVersion":"sluice.dev/v1alpha1","kind":"Job",)"
                         R"("metadata":{"name":"one"},"spec":)" +
                         spec + "}"});
  }

 private:
  std::string jobs_path() const {
    return "/apis/sluice.dev/v1alpha1/namespaces/" + namespace_.name() + "/jobs";
  }

  TestNamespace namespace_{cluster_};
};

TEST_F(JobFreeze, EnqueuedJobCannotBeChanged) {
  ASSERT_EQ(make(R"({"queue":"mail","payload":{"a":1}})").status, 201);

  const Answer answer = patch(R"({"payload":{"a":2}})");

  EXPECT_EQ(answer.status, 422);
  EXPECT_TRUE(answer.message.find("must not change once the job is enqueued") != std::string::npos)
      << answer.message;
  EXPECT_EQ(patch(R"({"suspend":true})").status, 422);
  EXPECT_EQ(patch(R"({"payload":{"a":1}})").status, 200);
}

TEST_F(JobFreeze, SuspendedJobCanBeChangedAndReleased) {
  ASSERT_EQ(make(R"({"queue":"mail","payload":1,"suspend":true})").status, 201);

  EXPECT_EQ(patch(R"({"payload":[2]})").status, 200);
  EXPECT_EQ(patch(R"({"suspend":false})").status, 200);
  EXPECT_EQ(patch(R"({"priority":9})").status, 422);
}

}  // namespace
}  // namespace sluice::testing
