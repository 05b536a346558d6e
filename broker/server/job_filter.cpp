#include "broker/server/job_filter.h"

#include <algorithm>

namespace sluice::broker {
namespace {

Error bad_labels() {
  return {ErrorCode::kInvalidArgument, "labels: must be NAME=VALUE pairs with commas between them",
          "labels"};
}

struct CancelDraft {
  UnknownMembers unknown;
  CancelJobsCall call;
};

Status read_state(JsonView value, JobFilter& filter) {
  const auto text = value.string();
  filter.state = text ? api::parse_job_state(*text) : std::nullopt;
  if (filter.state && !api::has_ended(*filter.state)) return Ok{};
  return must_be("must be Blocked, Scheduled, Ready or Running");
}

Status read_labels(JsonView value, JobFilter& filter) {
  if (value.kind() != JsonView::Kind::kObject) return must_be("must be an object of strings");
  std::optional<Error> error;
  value.for_each_member([&](std::string_view name, JsonView one) {
    auto text = read_text(one, limits::kLabelValueBytesMax);
    if (!text) {
      error = at_member(name, std::move(text).error());
    } else if (filter.labels.size() == limits::kLabelsMax) {
      error = must_be("has too many entries");
    } else if (!filter.labels.emplace(name, *std::move(text)).second) {
      error = at_member(name, must_be("is given twice"));
    }
    return !error;
  });
  if (error) return *std::move(error);
  return Ok{};
}

constexpr Member<JobFilter> kFilterMembers[] = {
    {"state", read_state},
    {"labels", read_labels},
    {"createdBefore",
     [](JsonView value, JobFilter& filter) {
       return assign(read_time(value), filter.created_before);
     }},
    {"createdAfter",
     [](JsonView value, JobFilter& filter) {
       return assign(read_time(value), filter.created_after);
     }},
};

constexpr Member<CancelDraft> kCancelMembers[] = {
    {"filter",
     [](JsonView value, CancelDraft& draft) {
       return read_members<JobFilter>(value, kFilterMembers, draft.unknown, draft.call.filter);
     }},
    {"max",
     [](JsonView value, CancelDraft& draft) {
       return assign(read_int(value, 1, limits::kListMax), draft.call.max);
     }},
    {"cursor",
     [](JsonView value, CancelDraft& draft) -> Status {
       auto id = read_uuid(value);
       if (!id) return must_be("is not one of this call");
       draft.call.after = *id;
       return Ok{};
     }},
};

}  // namespace

bool JobFilter::matches(TimePoint created_at, const JobExtras& extras) const {
  if (created_before && created_at >= *created_before) return false;
  if (created_after && created_at <= *created_after) return false;
  return std::all_of(labels.begin(), labels.end(), [&extras](const auto& wanted) {
    const auto found = extras.labels.find(wanted.first);
    return found != extras.labels.end() && found->second == wanted.second;
  });
}

Result<api::Labels> parse_label_query(std::string_view text) {
  api::Labels labels;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    const std::string_view pair = text.substr(0, comma);
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
    const std::size_t equals = pair.find('=');
    if (equals == 0 || equals == std::string_view::npos) return bad_labels();
    labels[std::string(pair.substr(0, equals))] = pair.substr(equals + 1);
  }
  if (labels.empty() || labels.size() > limits::kLabelsMax) return bad_labels();
  return labels;
}

Result<CancelJobsCall> decode_cancel_jobs(JsonView body, UnknownMembers unknown) {
  CancelDraft draft{unknown, {}};
  auto status = read_members<CancelDraft>(body, kCancelMembers, unknown, draft);
  if (!status) return std::move(status).error();
  const JobFilter& filter = draft.call.filter;
  if (!filter.state && filter.labels.empty() && !filter.created_before && !filter.created_after) {
    return at_member("filter", must_be("must name a state, labels or a time"));
  }
  return std::move(draft.call);
}

}  // namespace sluice::broker
