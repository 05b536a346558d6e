#include "broker/server/decode_jobs.h"

#include "broker/server/idempotency.h"
#include "common/api/limits.h"
#include "common/http/client.h"

namespace sluice::broker {
namespace {

using std::chrono::seconds;

// What the members of one job are read into.
struct Draft {
  NewJob job;
  UnknownMembers unknown = UnknownMembers::kRefuse;
  std::optional<JsonView> payload;
  std::optional<std::string> key;
  std::string queue;  // of a follow-up job
};

Result<api::Labels> read_labels(JsonView value) {
  if (value.kind() != JsonView::Kind::kObject) return must_be("must be an object of strings");
  api::Labels labels;
  std::optional<Error> error;
  value.for_each_member([&](std::string_view name, JsonView one) {
    auto text = read_text(one, limits::kLabelValueBytesMax);
    if (!text) {
      error = at_member(name, std::move(text).error());
    } else if (name.empty() || name.size() > limits::kLabelKeyBytesMax ||
               labels.size() == limits::kLabelsMax) {
      error = must_be("must have at most " + std::to_string(limits::kLabelsMax) +
                      " entries with names of 1 to " + std::to_string(limits::kLabelKeyBytesMax) +
                      " bytes");
    } else if (!labels.emplace(name, *std::move(text)).second) {
      error = at_member(name, must_be("is given twice"));
    }
    return !error;
  });
  if (error) return *std::move(error);
  return labels;
}

constexpr Member<JobSource> kSourceMembers[] = {
    {"kind",
     [](JsonView value, JobSource& source) -> Status {
       if (auto status = assign(read_name(value), source.kind); !status) return status;
       if (source.kind != "Job") return must_be("must be \"Job\"");
       return Ok{};
     }},
    {"uid", [](JsonView value, JobSource& source) { return assign(read_name(value), source.uid); }},
    {"name",
     [](JsonView value, JobSource& source) { return assign(read_name(value), source.name); }},
};

Status read_source(JsonView value, Draft& draft) {
  JobSource source;
  auto status = read_members<JobSource>(value, kSourceMembers, draft.unknown, source);
  if (!status) return status;
  if (source.kind.empty() || source.uid.empty() || source.name.empty()) {
    return must_be("must have kind, uid and name");
  }
  draft.job.source = std::move(source);
  return Ok{};
}

struct TickDraft {
  ScheduleTick tick;
  bool has_tick = false;
};

constexpr Member<TickDraft> kScheduleMembers[] = {
    {"uid",
     [](JsonView value, TickDraft& draft) { return assign(read_name(value), draft.tick.uid); }},
    {"tick",
     [](JsonView value, TickDraft& draft) {
       draft.has_tick = true;
       return assign(read_time(value), draft.tick.tick);
     }},
    {"policy",
     [](JsonView value, TickDraft& draft) -> Status {
       const auto text = value.string();
       const auto policy = text ? api::parse_concurrency_policy(*text) : std::nullopt;
       if (!policy) return must_be("must be Allow, Forbid, Replace or Enqueue");
       draft.tick.policy = *policy;
       return Ok{};
     }},
};

Status read_schedule(JsonView value, Draft& draft) {
  TickDraft tick;
  auto status = read_members<TickDraft>(value, kScheduleMembers, draft.unknown, tick);
  if (!status) return status;
  if (tick.tick.uid.empty() || !tick.has_tick) return must_be("must have uid and tick");
  draft.job.schedule = std::move(tick.tick);
  return Ok{};
}

Status read_delay(JsonView value, Draft& draft) {
  const auto delay = read_int(value, 0, limits::kSecondsMax);
  if (!delay) return delay.error();
  draft.job.delay = seconds{*delay};
  return Ok{};
}

// Any text: what is no id of ours is the id of no job.
Status read_parents(JsonView value, Draft& draft) {
  if (value.kind() != JsonView::Kind::kArray) return must_be("must be an array of ids");
  std::vector<JobId>& parents = draft.job.depends_on;
  std::optional<Error> error;
  std::size_t index = 0;
  value.for_each_element([&](JsonView element) {
    const auto text = element.string();
    const auto id = text ? parse_uuid(*text) : std::nullopt;
    if (index == kParentsMax) {
      error = must_be("must have at most " + std::to_string(kParentsMax) + " ids");
    } else if (!text) {
      error = at_member("[" + std::to_string(index) + "]", must_be("must be a string"));
    } else if (!id) {
      error = at_member("[" + std::to_string(index) + "]",
                        {ErrorCode::kNotFound, "is the id of no job in this namespace"});
    } else if (std::find(parents.begin(), parents.end(), *id) != parents.end()) {
      error = at_member("[" + std::to_string(index) + "]", must_be("is given twice"));
    } else {
      parents.push_back(*id);
    }
    ++index;
    return !error;
  });
  if (error) return *std::move(error);
  return Ok{};
}

Status read_parent_failure(JsonView value, Draft& draft) {
  const auto text = value.string();
  if (text != "Dead" && text != "Run") return must_be("must be Dead or Run");
  draft.job.on_parent_failure =
      *text == "Run" ? api::ParentFailure::kRun : api::ParentFailure::kDead;
  return Ok{};
}

Status read_duplicate(JsonView value, Draft& draft) {
  const auto text = value.string();
  if (text != "Keep" && text != "Replace") return must_be("must be Keep or Replace");
  draft.job.replace = *text == "Replace";
  return Ok{};
}

Status read_retry(JsonView value, Draft& draft) {
  auto policy = api::decode_retry_policy(value.raw(), draft.unknown, "retry");
  if (!policy) {
    // Its path starts at "retry", which the caller puts in front again.
    Error error = std::move(policy).error();
    constexpr std::string_view kRoot = "retry";
    const bool is_root = error.field == kRoot;
    const std::size_t prefix = kRoot.size() + (is_root ? 2 : 1);  // "retry: " or "retry."
    error.field.erase(0, kRoot.size() + (is_root ? 0 : 1));
    if (error.message.starts_with(kRoot)) error.message.erase(0, prefix);
    return error;
  }
  draft.job.retry = *std::move(policy);
  return Ok{};
}

struct CallbackDraft {
  api::Callback callback;
};

constexpr Member<CallbackDraft> kCallbackMembers[] = {
    {"url",
     [](JsonView value, CallbackDraft& draft) -> Status {
       if (auto status = assign(read_name(value, api::kUrlCharactersMax), draft.callback.url);
           !status) {
         return status;
       }
       const auto target = http::parse_target(draft.callback.url);
       return target ? Status{Ok{}} : must_be("must be a URL: " + target.error().message);
     }},
    {"secretName",
     [](JsonView value, CallbackDraft& draft) -> Status {
       if (auto status = assign(read_name(value), draft.callback.secret_name); !status) {
         return status;
       }
       if (api::is_dns_subdomain(draft.callback.secret_name)) return Ok{};
       return must_be("must be a Kubernetes name (lower-case letters, digits, - and .)");
     }},
};

Status read_callback(JsonView value, Draft& draft) {
  return assign(decode_callback(value, draft.unknown), draft.job.callback);
}

// What follow-up jobs have, too.
constexpr Member<Draft> kPayloadMember = {"payload", [](JsonView value, Draft& draft) -> Status {
                                            draft.payload = value;
                                            return Ok{};
                                          }};
constexpr Member<Draft> kPriorityMember = {
    "priority",
    [](JsonView value, Draft& draft) { return assign(read_int(value, 0, 9), draft.job.priority); }};
constexpr Member<Draft> kRunAtMember = {"runAt", [](JsonView value, Draft& draft) {
                                          return assign(read_time(value), draft.job.run_at);
                                        }};
constexpr Member<Draft> kExpiresAtMember = {"expiresAt", [](JsonView value, Draft& draft) {
                                              return assign(read_time(value), draft.job.expires_at);
                                            }};
constexpr Member<Draft> kLabelsMember = {"labels", [](JsonView value, Draft& draft) {
                                           return assign(read_labels(value), draft.job.labels);
                                         }};
constexpr Member<Draft> kTimeoutMember = {
    "timeoutSeconds", [](JsonView value, Draft& draft) {
      return assign(read_int(value, 1, api::kTimeoutSecondsMax), draft.job.timeout_seconds);
    }};
constexpr Member<Draft> kTtlMember = {"ttlSecondsAfterFinished", [](JsonView value, Draft& draft) {
                                        return assign(read_int(value, 0, limits::kSecondsMax),
                                                      draft.job.ttl_seconds_after_finished);
                                      }};

constexpr Member<Draft> kJobMembers[] = {
    kPayloadMember,
    kPriorityMember,
    {"delaySeconds", read_delay},
    kRunAtMember,
    kExpiresAtMember,
    {"idempotencyKey",
     [](JsonView value, Draft& draft) {
       return assign(read_name(value, limits::kIdempotencyKeyBytesMax), draft.key);
     }},
    kLabelsMember,
    kTimeoutMember,
    kTtlMember,
    {"retry", read_retry},
    {"id", [](JsonView value, Draft& draft) { return assign(read_uuid(value), draft.job.id); }},
    {"source", read_source},
    {"schedule", read_schedule},
    {"tenant",
     [](JsonView value, Draft& draft) {
       return assign(read_name(value, limits::kTenantBytesMax), draft.job.tenant);
     }},
    {"key",
     [](JsonView value, Draft& draft) {
       return assign(read_name(value, limits::kKeyBytesMax), draft.job.key);
     }},
    {"dependsOn", read_parents},
    {"onParentFailure", read_parent_failure},
    {"callback", read_callback},
    {"uniqueKey",
     [](JsonView value, Draft& draft) {
       return assign(read_name(value, limits::kIdempotencyKeyBytesMax), draft.job.unique_key);
     }},
    {"onDuplicate", read_duplicate},
};

constexpr Member<Draft> kFollowUpMembers[] = {
    kPayloadMember,
    kPriorityMember,
    {"delaySeconds", read_delay},
    kRunAtMember,
    kExpiresAtMember,
    kLabelsMember,
    kTimeoutMember,
    kTtlMember,
    {"retry", read_retry},
    {"queue",
     [](JsonView value, Draft& draft) -> Status {
       if (auto status = assign(read_name(value), draft.queue); !status) return status;
       if (draft.queue == kCallbackQueueName) return must_be("is the broker's own queue");
       if (api::is_dns_label(draft.queue, api::kQueueNameMax)) return Ok{};
       return must_be("must be the name of a queue");
     }},
    {"tenant",
     [](JsonView value, Draft& draft) {
       return assign(read_name(value, limits::kTenantBytesMax), draft.job.tenant);
     }},
    {"key",
     [](JsonView value, Draft& draft) {
       return assign(read_name(value, limits::kKeyBytesMax), draft.job.key);
     }},
    {"callback", read_callback},
};

// The rules across members.
Status check_draft(const Draft& draft, const DecodeJobOptions& options) {
  if (!draft.payload) return at_member("payload", must_be("is required"));
  if (std::cmp_greater(draft.payload->raw().size(), options.payload_bytes_max)) {
    return Error{ErrorCode::kTooLarge,
                 "payload: has " + std::to_string(draft.payload->raw().size()) +
                     " bytes; the queue takes " + std::to_string(options.payload_bytes_max),
                 "payload"};
  }
  // A shorter text has no room for so many brackets.
  if (draft.payload->raw().size() > 2 * limits::kJsonDepthMax &&
      draft.payload->depth() > limits::kJsonDepthMax) {
    return at_member("payload",
                     must_be("is nested deeper than " + std::to_string(limits::kJsonDepthMax)));
  }
  if (draft.job.delay && draft.job.run_at) {
    return at_member("runAt", must_be("cannot stand beside delaySeconds"));
  }
  if (draft.job.schedule && !draft.job.depends_on.empty()) {
    return at_member("dependsOn", must_be("cannot stand beside schedule"));
  }
  if (draft.job.replace && draft.job.unique_key.empty()) {
    return at_member("onDuplicate", must_be("cannot stand without uniqueKey"));
  }
  if (draft.key && options.idempotency_key && *draft.key != *options.idempotency_key) {
    return at_member("idempotencyKey", must_be("differs from the Idempotency-Key header"));
  }
  return Ok{};
}

}  // namespace

Result<api::Callback> decode_callback(JsonView value, UnknownMembers unknown) {
  CallbackDraft draft;
  auto status = read_members<CallbackDraft>(value, kCallbackMembers, unknown, draft);
  if (!status) return std::move(status).error();
  if (draft.callback.url.empty()) return at_member("url", must_be("is required"));
  return std::move(draft.callback);
}

Result<NewJob> decode_new_job(JsonView body, const DecodeJobOptions& options) {
  Draft draft;
  draft.unknown = options.unknown;
  auto status = read_members<Draft>(body, kJobMembers, options.unknown, draft);
  if (status) status = check_draft(draft, options);
  if (!status) return std::move(status).error();

  NewJob job = std::move(draft.job);
  job.payload = draft.payload->raw();
  if (is_traceparent(options.traceparent)) job.traceparent = options.traceparent;
  const auto& key = draft.key ? draft.key : options.idempotency_key;
  if (key) job.idempotency = IdempotencyKey{.key = hash128(*key), .content = content_hash(body)};
  return job;
}

Result<FollowUp> decode_follow_up(JsonView body, const QueueName& own, UnknownMembers unknown) {
  Draft draft;
  draft.unknown = unknown;
  draft.queue = own.name;
  auto status = read_members<Draft>(body, kFollowUpMembers, unknown, draft);
  const DecodeJobOptions options{.payload_bytes_max = limits::kBatchBytesMax};
  if (status) status = check_draft(draft, options);
  if (!status) return std::move(status).error();
  FollowUp follow_up{{own.namespace_name, std::move(draft.queue)}, std::move(draft.job)};
  follow_up.job.payload = draft.payload->raw();
  return follow_up;
}

}  // namespace sluice::broker
