// The bodies of queue configuration and of what people and the operator do to queues.
#include "broker/server/decode_requests.h"

namespace sluice::broker {
namespace {

struct ConfigureDraft {
  UnknownMembers unknown;
  ConfigureRequest request;
  bool has_spec = false;
};

Status read_spec(JsonView value, ConfigureDraft& draft) {
  if (value.kind() != JsonView::Kind::kObject) return must_be("must be an object");
  auto spec = api::decode_queue_spec(value.raw(), draft.unknown, "spec");
  if (!spec) {
    // Its path starts at "spec", which the caller puts in front again.
    Error refused = std::move(spec).error();
    constexpr std::string_view kRoot = "spec.";
    if (refused.field.starts_with(kRoot)) refused.field.erase(0, kRoot.size());
    if (refused.field == "spec") refused.field.clear();
    if (refused.message.starts_with(kRoot)) refused.message.erase(0, kRoot.size());
    return refused;
  }
  draft.request.spec = *std::move(spec);
  draft.has_spec = true;
  return Ok{};
}

constexpr Member<ConfigureDraft> kConfigureMembers[] = {
    {"spec", read_spec},
    {"uid", [](JsonView value,
               ConfigureDraft& draft) { return assign(read_name(value), draft.request.uid); }},
    {"generation",
     [](JsonView value, ConfigureDraft& draft) {
       return assign(read_int64(value, 0), draft.request.generation);
     }},
};

constexpr Member<PauseCall> kPauseMembers[] = {
    {"enqueue",
     [](JsonView value, PauseCall& call) { return assign(read_bool(value), call.enqueue); }},
    {"dispatch",
     [](JsonView value, PauseCall& call) { return assign(read_bool(value), call.dispatch); }},
};

Status read_ids(JsonView value, std::vector<JobId>& into) {
  if (value.kind() != JsonView::Kind::kArray) return must_be("must be an array of ids");
  std::size_t count = 0;
  bool strings = true;
  value.for_each_element([&](JsonView element) {
    const auto text = element.string();
    strings = text.has_value();
    if (const auto id = text ? parse_uuid(*text) : std::nullopt) into.push_back(*id);
    return strings && ++count <= limits::kIdsMax;
  });
  if (!strings) return must_be("must be an array of strings");
  if (count > limits::kIdsMax) {
    return must_be("must have at most " + std::to_string(limits::kIdsMax) + " ids");
  }
  return Ok{};
}

struct AcknowledgeDraft {
  bool seen = false;
  std::vector<JobId> ids;
};

constexpr Member<AcknowledgeDraft> kAcknowledgeMembers[] = {
    {"ids", [](JsonView value, AcknowledgeDraft& draft) {
       draft.seen = true;
       return read_ids(value, draft.ids);
     }}};

struct DeadDraft {
  UnknownMembers unknown;
  DeadFilter filter;
  bool has_filter = false;
  int per_second = RedriveCall{}.per_second;
};

constexpr Member<DeadFilter> kFilterMembers[] = {
    {"reason",
     [](JsonView value, DeadFilter& filter) { return assign(read_name(value), filter.reason); }},
    {"diedBefore", [](JsonView value,
                      DeadFilter& filter) { return assign(read_time(value), filter.died_before); }},
    {"diedAfter", [](JsonView value,
                     DeadFilter& filter) { return assign(read_time(value), filter.died_after); }},
    {"tenant",
     [](JsonView value, DeadFilter& filter) {
       return assign(read_name(value, limits::kTenantBytesMax), filter.tenant);
     }},
    {"key",
     [](JsonView value, DeadFilter& filter) {
       return assign(read_name(value, limits::kKeyBytesMax), filter.key);
     }},
};

constexpr Member<DeadDraft> kDeadMembers[] = {
    {"ids",
     [](JsonView value, DeadDraft& draft) { return read_ids(value, draft.filter.ids.emplace()); }},
    {"filter",
     [](JsonView value, DeadDraft& draft) {
       draft.has_filter = true;
       return read_members<DeadFilter>(value, kFilterMembers, draft.unknown, draft.filter);
     }},
    {"max",
     [](JsonView value, DeadDraft& draft) {
       return assign(read_int(value, 1, limits::kDeadJobsMax), draft.filter.max);
     }},
};

constexpr Member<DeadDraft> kRedriveMembers[] = {
    kDeadMembers[0],
    kDeadMembers[1],
    kDeadMembers[2],
    {"perSecond",
     [](JsonView value, DeadDraft& draft) {
       return assign(read_int(value, 1, limits::kRedrivePerSecondMax), draft.per_second);
     }},
};

Status read_dead_draft(JsonView body, std::span<const Member<DeadDraft>> table, DeadDraft& draft) {
  auto status = read_members<DeadDraft>(body, table, draft.unknown, draft);
  if (!status) return status;
  if (draft.filter.ids && draft.has_filter) {
    return at_member("filter", must_be("cannot stand beside ids"));
  }
  return Ok{};
}

struct RescheduleDraft {
  std::optional<TimePoint> run_at;
  std::optional<int> delay_seconds;
};

constexpr Member<RescheduleDraft> kRescheduleMembers[] = {
    {"runAt",
     [](JsonView value, RescheduleDraft& draft) { return assign(read_time(value), draft.run_at); }},
    {"delaySeconds",
     [](JsonView value, RescheduleDraft& draft) {
       return assign(read_int(value, 0, limits::kSecondsMax), draft.delay_seconds);
     }},
};

constexpr Member<WorkerCall> kInstanceMembers[] = {
    {"instance",
     [](JsonView value, WorkerCall& call) {
       return assign(read_text(value, limits::kNameBytesMax), call.instance);
     }},
};

constexpr Member<WorkerCall> kGoneMembers[] = {
    kInstanceMembers[0], {"cause", [](JsonView value, WorkerCall& call) -> Status {
                            const auto text = value.string();
                            if (text == "Disruption") {
                              call.cause = GoneCause::kDisruption;
                            } else if (text == "Crash") {
                              call.cause = GoneCause::kCrash;
                            } else if (text == "Unknown") {
                              call.cause = GoneCause::kUnknown;
                            } else {
                              return must_be("must be Disruption, Crash or Unknown");
                            }
                            return Ok{};
                          }}};

}  // namespace

Result<ConfigureRequest> decode_configure(JsonView body, const QueueName& queue,
                                          UnknownMembers unknown) {
  ConfigureDraft draft{unknown, {}, false};
  draft.request.queue = queue;
  auto status = read_members<ConfigureDraft>(body, kConfigureMembers, unknown, draft);
  if (!status) return std::move(status).error();
  if (!draft.has_spec) return at_member("spec", must_be("is required"));
  if (draft.request.generation && !draft.request.uid) {
    return at_member("generation", must_be("is that of a resource: it needs uid beside it"));
  }
  return std::move(draft.request);
}

Result<PauseCall> decode_pause(JsonView body, UnknownMembers unknown) {
  PauseCall call;
  auto status = read_members<PauseCall>(body, kPauseMembers, unknown, call);
  if (!status) return std::move(status).error();
  if (!call.enqueue && !call.dispatch) return must_be("enqueue or dispatch must be given");
  return call;
}

Result<std::vector<JobId>> decode_acknowledge(JsonView body, UnknownMembers unknown) {
  AcknowledgeDraft draft;
  auto status = read_members<AcknowledgeDraft>(body, kAcknowledgeMembers, unknown, draft);
  if (!status) return std::move(status).error();
  if (!draft.seen) return at_member("ids", must_be("is required"));
  return std::move(draft.ids);
}

Result<DeadFilter> decode_dead_filter(JsonView body, UnknownMembers unknown) {
  DeadDraft draft{unknown, {}};
  auto status = read_dead_draft(body, kDeadMembers, draft);
  if (!status) return std::move(status).error();
  return std::move(draft.filter);
}

Result<RedriveCall> decode_redrive(JsonView body, UnknownMembers unknown) {
  DeadDraft draft{unknown, {}};
  auto status = read_dead_draft(body, kRedriveMembers, draft);
  if (!status) return std::move(status).error();
  return RedriveCall{std::move(draft.filter), draft.per_second};
}

Result<TimePoint> decode_reschedule(JsonView body, TimePoint now, UnknownMembers unknown) {
  RescheduleDraft draft;
  auto status = read_members<RescheduleDraft>(body, kRescheduleMembers, unknown, draft);
  if (!status) return std::move(status).error();
  if (draft.run_at && draft.delay_seconds) {
    return at_member("runAt", must_be("cannot stand beside delaySeconds"));
  }
  if (draft.run_at) return *draft.run_at;
  if (draft.delay_seconds) return now + std::chrono::seconds{*draft.delay_seconds};
  return at_member("runAt", must_be("or delaySeconds is required"));
}

Result<WorkerCall> decode_worker_call(JsonView body, bool takes_cause, UnknownMembers unknown) {
  WorkerCall call;
  const std::span<const Member<WorkerCall>> table =
      takes_cause ? std::span<const Member<WorkerCall>>{kGoneMembers}
                  : std::span<const Member<WorkerCall>>{kInstanceMembers};
  auto status = read_members<WorkerCall>(body, table, unknown, call);
  if (!status) return std::move(status).error();
  if (takes_cause && !call.cause) return at_member("cause", must_be("is required"));
  return call;
}

}  // namespace sluice::broker
