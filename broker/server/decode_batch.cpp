// The body of a batch, and of the group that it may be.
#include "broker/server/decode_jobs.h"

namespace sluice::broker {
namespace {

struct GroupDraft {
  UnknownMembers unknown = UnknownMembers::kRefuse;
  NewGroup group;
};

constexpr Member<GroupDraft> kGroupMembers[] = {
    {"id",
     [](JsonView value, GroupDraft& draft) { return assign(read_uuid(value), draft.group.id); }},
    {"callback",
     [](JsonView value, GroupDraft& draft) {
       return assign(decode_callback(value, draft.unknown), draft.group.callback);
     }},
    {"open",
     [](JsonView value, GroupDraft& draft) { return assign(read_bool(value), draft.group.open); }},
};

struct BatchDraft {
  const DecodeJobOptions& options;
  bool has_jobs = false;
  NewBatch batch;
};

Status read_jobs(JsonView value, BatchDraft& draft) {
  if (value.kind() != JsonView::Kind::kArray) return must_be("must be an array");
  draft.has_jobs = true;
  std::vector<Result<NewJob>>& jobs = draft.batch.jobs;
  value.for_each_element([&](JsonView element) {
    jobs.push_back(decode_new_job(element, draft.options));
    return jobs.size() <= limits::kBatchJobsMax;
  });
  if (jobs.size() <= limits::kBatchJobsMax) return Ok{};
  return must_be("must have at most " + std::to_string(limits::kBatchJobsMax) + " jobs");
}

Status read_group(JsonView value, BatchDraft& draft) {
  GroupDraft group{.unknown = draft.options.unknown};
  auto status = read_members<GroupDraft>(value, kGroupMembers, group.unknown, group);
  if (!status) return status;
  if (group.group.open && !group.group.id) {
    return at_member("open", must_be("cannot stand without id"));
  }
  draft.batch.group = std::move(group.group);
  return Ok{};
}

constexpr Member<BatchDraft> kBatchMembers[] = {{"jobs", read_jobs}, {"group", read_group}};

}  // namespace

Result<NewBatch> decode_batch(JsonView body, const DecodeJobOptions& options) {
  BatchDraft draft{options};
  auto status = read_members<BatchDraft>(body, kBatchMembers, options.unknown, draft);
  if (!status) return std::move(status).error();
  if (!draft.has_jobs) return at_member("jobs", must_be("is required"));
  return std::move(draft.batch);
}

}  // namespace sluice::broker
