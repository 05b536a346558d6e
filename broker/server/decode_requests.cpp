#include "broker/server/decode_requests.h"

#include <functional>

#include "broker/server/decode_jobs.h"

namespace sluice::broker {
namespace {

// Each element of an array, its errors with its index as path.
Status read_elements(JsonView value, std::size_t elements_max,
                     const std::function<Status(JsonView)>& read) {
  if (value.kind() != JsonView::Kind::kArray) return must_be("must be an array");
  std::size_t index = 0;
  std::optional<Error> error;
  value.for_each_element([&](JsonView element) {
    if (index == elements_max) {
      error = must_be("must have at most " + std::to_string(elements_max) + " elements");
    } else if (auto status = read(element); !status) {
      error = at_member("[" + std::to_string(index) + "]", std::move(status).error());
    }
    ++index;
    return !error;
  });
  if (error) return *std::move(error);
  return Ok{};
}

Status required(std::string_view name, bool present) {
  if (present) return Ok{};
  return at_member(name, must_be("is required"));
}

constexpr Member<ClaimCall> kClaimMembers[] = {
    {"worker",
     [](JsonView value, ClaimCall& call) { return assign(read_name(value), call.request.worker); }},
    {"instance",
     [](JsonView value, ClaimCall& call) {
       return assign(read_text(value, limits::kNameBytesMax), call.request.instance);
     }},
    {"max",
     [](JsonView value, ClaimCall& call) {
       return assign(read_int(value, 1, limits::kClaimJobsMax), call.request.max);
     }},
    {"waitSeconds",
     [](JsonView value, ClaimCall& call) {
       return assign(read_int(value, 0, limits::kWaitSecondsMax), call.wait_seconds);
     }},
};

constexpr Member<ToldProgress> kProgressMembers[] = {
    {"ratio",
     [](JsonView value, ToldProgress& progress) -> Status {
       const auto ratio = value.number();
       if (!ratio || *ratio < 0 || *ratio > 1) return must_be("must be a number between 0 and 1");
       progress.ratio = *ratio;
       return Ok{};
     }},
    {"message",
     [](JsonView value, ToldProgress& progress) -> Status {
       auto text = value.string();
       if (!text) return must_be("must be a string");
       // Cut, not refused: a heartbeat is not lost for a talkative handler.
       cut_text(*text, kHistoryMessageBytesMax);
       progress.message = *std::move(text);
       return Ok{};
     }},
};

struct LeaseDraft {
  UnknownMembers unknown;
  std::string id;
  bool has_lease = false;
  ExtendRequest::Lease lease;
};

constexpr Member<LeaseDraft> kLeaseMembers[] = {
    {"id",
     [](JsonView value, LeaseDraft& draft) -> Status {
       auto status = assign(read_text(value, limits::kNameBytesMax), draft.id);
       // What is no id of ours is nobody's lease: it is answered "lost".
       if (const auto id = parse_uuid(draft.id)) draft.lease.id = *id;
       return status;
     }},
    {"lease",
     [](JsonView value, LeaseDraft& draft) -> Status {
       auto text = read_text(value, limits::kNameBytesMax);
       if (!text) return std::move(text).error();
       draft.lease.claim = parse_lease(*text);
       draft.has_lease = true;
       return Ok{};
     }},
    {"progress",
     [](JsonView value, LeaseDraft& draft) {
       return read_members<ToldProgress>(value, kProgressMembers, draft.unknown,
                                         draft.lease.progress.emplace());
     }},
};

struct ExtendDraft {
  UnknownMembers unknown;
  ExtendCall call;
};

Status read_leases(JsonView value, ExtendDraft& draft) {
  return read_elements(value, limits::kLeasesMax, [&](JsonView element) -> Status {
    LeaseDraft lease{.unknown = draft.unknown};
    auto status = read_members<LeaseDraft>(element, kLeaseMembers, draft.unknown, lease);
    if (status) status = required("id", !lease.id.empty());
    if (status) status = required("lease", lease.has_lease);
    if (!status) return status;
    draft.call.ids.push_back(std::move(lease.id));
    draft.call.request.leases.push_back(std::move(lease.lease));
    return Ok{};
  });
}

constexpr Member<ExtendDraft> kExtendMembers[] = {
    {"worker",
     [](JsonView value, ExtendDraft& draft) {
       return assign(read_name(value), draft.call.request.worker);
     }},
    {"instance",
     [](JsonView value, ExtendDraft& draft) {
       return assign(read_text(value, limits::kNameBytesMax), draft.call.request.instance);
     }},
    {"leases", read_leases},
    {"draining",
     [](JsonView value, ExtendDraft& draft) {
       return assign(read_bool(value), draft.call.request.draining);
     }},
    {"holding",
     [](JsonView value, ExtendDraft& draft) {
       return assign(read_int(value, 0, 1'000'000), draft.call.request.holding);
     }},
};

constexpr Member<api::RunError> kErrorMembers[] = {
    {"reason",
     [](JsonView value, api::RunError& error) {
       return assign(read_text(value, limits::kNameBytesMax), error.reason);
     }},
    {"message",
     [](JsonView value, api::RunError& error) -> Status {
       auto text = value.string();
       if (!text) return must_be("must be a string");
       error.message = *std::move(text);
       return Ok{};
     }},
    {"exitCode",
     [](JsonView value, api::RunError& error) {
       return assign(read_int(value, -65'536, 65'536), error.exit_code);
     }},
    {"httpStatus",
     [](JsonView value, api::RunError& error) {
       return assign(read_int(value, 100, 999), error.http_status);
     }},
    {"retry",
     [](JsonView value, api::RunError& error) -> Status {
       const auto text = value.string();
       if (text != "Default" && text != "Never") return must_be("must be Default or Never");
       error.retry_never = *text == "Never";
       return Ok{};
     }},
};

struct SettleDraft {
  UnknownMembers unknown;
  const QueueName& queue;
  std::string id;
  bool has_lease = false;
  bool has_outcome = false;
  SettleRequest request;
};

constexpr Member<SettleDraft> kSettlementMembers[] = {
    {"id",
     [](JsonView value, SettleDraft& draft) {
       return assign(read_text(value, limits::kNameBytesMax), draft.id);
     }},
    {"lease",
     [](JsonView value, SettleDraft& draft) -> Status {
       auto text = read_text(value, limits::kNameBytesMax);
       if (!text) return std::move(text).error();
       draft.request.claim = parse_lease(*text);
       draft.has_lease = true;
       return Ok{};
     }},
    {"outcome",
     [](JsonView value, SettleDraft& draft) -> Status {
       const auto text = value.string();
       const auto outcome = text ? api::parse_outcome(*text) : std::nullopt;
       if (!outcome) return must_be("must be Succeeded, Failed or Released");
       draft.request.outcome = *outcome;
       draft.has_outcome = true;
       return Ok{};
     }},
    {"result",
     [](JsonView value, SettleDraft& draft) -> Status {
       if (value.depth() > limits::kJsonDepthMax) return must_be("is nested too deep");
       draft.request.result_json = value.raw();
       return Ok{};
     }},
    {"error",
     [](JsonView value, SettleDraft& draft) {
       return read_members<api::RunError>(value, kErrorMembers, draft.unknown,
                                          draft.request.error.emplace());
     }},
    {"retryAfterSeconds",
     [](JsonView value, SettleDraft& draft) {
       return assign(read_int(value, 0, limits::kSecondsMax), draft.request.retry_after_seconds);
     }},
    {"enqueue",
     [](JsonView value, SettleDraft& draft) {
       return read_elements(value, limits::kFollowUpsMax, [&](JsonView element) -> Status {
         // What a handler's author misspelled is told, whatever the worker that passes it on
         // speaks.
         auto follow_up = decode_follow_up(element, draft.queue, UnknownMembers::kRefuse);
         if (!follow_up) return std::move(follow_up).error();
         draft.request.follow_ups.push_back(*std::move(follow_up));
         return Ok{};
       });
     }},
};

// The id alone, so that the rest's mistakes can be told under it.
std::string settlement_id(JsonView element) {
  std::string id;
  if (element.kind() != JsonView::Kind::kObject) return id;
  element.for_each_member([&](std::string_view name, JsonView value) {
    if (name == "id") id = value.string().value_or("");
    return name != "id";
  });
  return id;
}

Result<SettleRequest> read_settlement(JsonView element, const QueueName& queue,
                                      UnknownMembers unknown) {
  SettleDraft draft{.unknown = unknown, .queue = queue};
  auto status = read_members<SettleDraft>(element, kSettlementMembers, unknown, draft);
  if (status) status = required("lease", draft.has_lease);
  if (status) status = required("outcome", draft.has_outcome);
  if (status && !draft.request.follow_ups.empty() &&
      draft.request.outcome != api::Outcome::kSucceeded) {
    status = at_member("enqueue", must_be("needs the outcome Succeeded"));
  }
  if (!status) return std::move(status).error();
  const auto id = parse_uuid(draft.id);
  if (!id) return Error{ErrorCode::kNotFound, "there is no such job"};
  draft.request.queue = queue;
  draft.request.id = *id;
  return std::move(draft.request);
}

}  // namespace

Result<ClaimCall> decode_claim(JsonView body, const QueueName& queue, UnknownMembers unknown) {
  ClaimCall call;
  call.request.queue = queue;
  auto status = read_members<ClaimCall>(body, kClaimMembers, unknown, call);
  if (status) status = required("worker", !call.request.worker.empty());
  if (!status) return std::move(status).error();
  return call;
}

Result<ExtendCall> decode_extend(JsonView body, const QueueName& queue, UnknownMembers unknown) {
  ExtendDraft draft{unknown, {}};
  draft.call.request.queue = queue;
  auto status = read_members<ExtendDraft>(body, kExtendMembers, unknown, draft);
  if (status) status = required("worker", !draft.call.request.worker.empty());
  if (!status) return std::move(status).error();
  return std::move(draft.call);
}

Result<std::vector<SettleItem>> decode_settle(JsonView body, const QueueName& queue,
                                              UnknownMembers unknown) {
  struct Settlements {
    const QueueName& queue;
    UnknownMembers unknown;
    bool seen = false;
    std::vector<SettleItem> items;
  };
  constexpr Member<Settlements> kMembers[] = {
      {"worker",
       [](JsonView value, Settlements&) -> Status {
         auto name = read_name(value);
         if (!name) return std::move(name).error();
         return Ok{};
       }},
      {"instance",
       [](JsonView value, Settlements&) -> Status {
         auto name = read_text(value, limits::kNameBytesMax);
         if (!name) return std::move(name).error();
         return Ok{};
       }},
      {"settlements", [](JsonView value, Settlements& into) {
         into.seen = true;
         return read_elements(value, limits::kSettlementsMax, [&](JsonView element) -> Status {
           std::string id = settlement_id(element);
           if (id.empty()) return required("id", false);
           into.items.push_back(
               {std::move(id), read_settlement(element, into.queue, into.unknown)});
           return Ok{};
         });
       }}};

  Settlements settlements{queue, unknown};
  auto status = read_members<Settlements>(body, kMembers, unknown, settlements);
  if (status) status = required("settlements", settlements.seen);
  if (!status) return std::move(status).error();
  return std::move(settlements.items);
}

}  // namespace sluice::broker
