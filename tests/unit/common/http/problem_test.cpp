#include "common/http/problem.h"

namespace sluice::http {
namespace {

TEST(ErrorOfReply, FollowsTheProblemThenTheStatus) {
  struct Case {
    const char* name;
    int status;
    const char* body;
    ErrorCode code;
    const char* message;
  };
  const Case cases[] = {
      {"type decides", 409,
       R"({"type":"https://sluice.dev/errors#queue-not-empty","detail":"3 jobs"})",
       ErrorCode::kQueueNotEmpty, "3 jobs"},
      {"title without detail", 404, R"({"title":"no such queue"})", ErrorCode::kNotFound,
       "no such queue"},
      {"unknown type", 503, R"({"type":"https://sluice.dev/errors#novel"})",
       ErrorCode::kUnavailable, "status 503"},
      {"members of other types", 400, R"({"type":7,"detail":[],"title":null})",
       ErrorCode::kInvalidArgument, "status 400"},
      {"not JSON", 502, "<html>", ErrorCode::kUnavailable, "status 502"},
      {"empty", 500, "", ErrorCode::kInternal, "status 500"},
      {"client error without a name", 418, "", ErrorCode::kInvalidArgument, "status 418"},
  };

  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const Error error = error_of_reply(c.status, c.body);
    EXPECT_EQ(error.code, c.code);
    EXPECT_EQ(error.message, c.message);
  }
}

TEST(ErrorOfReply, NamesTheFieldAtFault) {
  EXPECT_EQ(error_of_reply(400, R"({"field":"jobs[3].payload"})").field, "jobs[3].payload");
}

}  // namespace
}  // namespace sluice::http
