#include "operator/kube/api_error.h"

#include <gtest/gtest.h>

#include "tests/unit/operator/kube/scripted_api_client.h"

namespace sluice::kube {
namespace {

// SURVIVAL 5, 15, 19.
TEST(ApiError, KindFollowsTheStatusAndItsWords) {
  struct Case {
    const char* name;
    int status;
    const char* reason;
    const char* message;
    ErrorCode want;
    const char* field;
  };
  const Case cases[] = {
      {"bad request", 400, "BadRequest", "m", ErrorCode::kInvalidArgument, ""},
      {"unauthorized", 401, "Unauthorized", "m", ErrorCode::kUnauthenticated, ""},
      {"forbidden", 403, "Forbidden", "m", ErrorCode::kPermissionDenied, ""},
      {"not found", 404, "NotFound", "m", ErrorCode::kNotFound, ""},
      {"name taken", 409, "AlreadyExists", "m", ErrorCode::kConflict, "name"},
      {"stale write", 409, "Conflict", "m", ErrorCode::kConflict, ""},
      {"gone", 410, "Expired", "m", ErrorCode::kConflict, "resourceVersion"},
      {"too large", 413, "RequestEntityTooLarge", "m", ErrorCode::kTooLarge, ""},
      {"unprocessable", 422, "Invalid", "m", ErrorCode::kInvalidArgument, ""},
      {"too many", 429, "TooManyRequests", "m", ErrorCode::kUnavailable, ""},
      {"internal", 500, "InternalError", "m", ErrorCode::kUnavailable, ""},
      {"unavailable", 503, "ServiceUnavailable", "m", ErrorCode::kUnavailable, ""},
      {"version ahead", 504, "Timeout", "Too large resource version: 9, current: 7",
       ErrorCode::kUnavailable, "resourceVersion"},
      {"etcd: too large", 500, "", "etcdserver: request is too large", ErrorCode::kTooLarge, ""},
      {"etcd: full", 500, "", "etcdserver: mvcc: database space exceeded", ErrorCode::kDiskFull,
       ""},
  };

  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const Error error =
        error_of_answer({c.status, status_json(c.status, c.reason, c.message), std::nullopt});
    EXPECT_EQ(error.code, c.want);
    EXPECT_EQ(error.message, c.message);
    EXPECT_EQ(error.field, c.field);
  }
}

TEST(ApiError, FirstCauseNamesTheField) {
  const Error error = error_of_answer(
      {422,
       R"({"reason":"Invalid","message":"m","details":{"causes":[{"field":"spec.replicas"}]}})",
       std::nullopt});

  EXPECT_EQ(error.field, "spec.replicas");
}

TEST(ApiError, AnswerWithoutStatusObjectSaysItsStatus) {
  const Error error = error_of_answer({502, "<html>", std::nullopt});

  EXPECT_EQ(error.code, ErrorCode::kUnavailable);
  EXPECT_EQ(error.message, "the API server answered 502");
}

TEST(ApiError, ExpiredAndAheadAreToldApart) {
  const Error expired = error_of_answer({410, "", std::nullopt});
  const Error ahead = error_of_answer(
      {504, status_json(504, "Timeout", "Too large resource version: 9"), std::nullopt});

  EXPECT_TRUE(is_expired(expired));
  EXPECT_FALSE(is_version_ahead(expired));
  EXPECT_TRUE(is_version_ahead(ahead));
  EXPECT_FALSE(is_expired(ahead));
}

}  // namespace
}  // namespace sluice::kube
