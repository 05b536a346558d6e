#include "worker/follow_ups.h"

#include <utility>

#include "common/api/json_text.h"
#include "worker/broker_json.h"
#include "worker/text.h"

namespace sluice::worker {
namespace {

Error bad(const std::string& where, const std::string& why) {
  return {ErrorCode::kInvalidArgument, where + ": " + why};
}

Status add(FollowUps& jobs, std::string_view job, const std::string& where) {
  if (!job.starts_with('{')) return bad(where, "is no JSON object");
  if (jobs.size() == kFollowUpsMax) {
    return bad(where, "a run may enqueue at most " + std::to_string(kFollowUpsMax) + " jobs");
  }
  jobs.emplace_back(job);
  return Ok{};
}

}  // namespace

Result<FollowUps> parse_follow_up_lines(std::string_view text) {
  FollowUps jobs;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty()) continue;

    const std::string where = "line " + std::to_string(number) + " of the follow-up jobs";
    if (Status added = add(jobs, line, where); !added) return std::move(added).error();
    if (const auto fault = fault_for_broker(line)) return bad(where, *fault);
  }
  return jobs;
}

Result<FollowUps> parse_follow_up_array(std::string_view array_json) {
  if (!array_json.starts_with('[')) return bad("enqueue", "is no array of jobs");
  if (array_json.size() > kFollowUpBytesMax) return bad("enqueue", too_many_follow_up_bytes());
  FollowUps jobs;
  for (const std::string_view item : api::item_texts(array_json)) {
    const std::string where = "enqueue[" + std::to_string(jobs.size()) + "]";
    if (Status added = add(jobs, item, where); !added) return std::move(added).error();
  }
  return jobs;
}

std::string too_many_follow_up_bytes() {
  return "the follow-up jobs have more than " + std::to_string(kFollowUpBytesMax) + " bytes";
}

}  // namespace sluice::worker
