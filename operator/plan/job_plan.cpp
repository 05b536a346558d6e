#include "operator/plan/job_plan.h"

#include <algorithm>
#include <utility>

#include "operator/plan/queue_plan.h"

namespace sluice::op {
namespace {

using std::chrono::seconds;

bool is_missing_parent(const Error& error) {
  return error.code == ErrorCode::kNotFound && error.field.starts_with("dependsOn");
}

bool has_ended(const JobStatus& status) {
  return is_true(status.conditions, "Complete") || is_true(status.conditions, "Failed");
}

// What a refused enqueue says in the Accepted condition, and whether another try may help.
struct Refusal {
  const char* status;
  const char* reason;
  bool retry;
};

Refusal refusal_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kUnavailable:
    case ErrorCode::kDeadlineExceeded:
      return {"Unknown", "BrokerUnavailable", true};
    case ErrorCode::kNotFound:
      return {"False", "QueueNotReady", true};
    case ErrorCode::kQueueFull:
      return {"False", "QueueFull", true};
    case ErrorCode::kNamespaceFull:
      return {"False", "NamespaceFull", true};
    case ErrorCode::kQueuePaused:
      return {"False", "QueuePaused", true};
    case ErrorCode::kDiskFull:
      return {"False", "BrokerDiskFull", true};
    case ErrorCode::kInvalidArgument:
      return {"False", "Rejected", false};
    case ErrorCode::kTooLarge:
      return {"False", "PayloadTooLarge", false};
    case ErrorCode::kIdempotency:
      return {"False", "IdempotencyConflict", false};
    default:
      return {"False", "EnqueueFailed", true};
  }
}

class JobPlanner {
 public:
  JobPlanner(const JobInput& input, TimePoint now) : input_(input), now_(now) {
    out_.status = input.status_before;
  }

  JobPlan plan() {
    if (input_.deleting) {
      let_go();
    } else if (input_.broker_job) {
      mirror(*input_.broker_job);
    } else if (has_ended(input_.status_before)) {
      finish();
    } else if (was_accepted()) {
      look_for_record();
    } else if (input_.decode_error || !input_.spec) {
      refuse("False", "InvalidSpec",
             input_.decode_error ? input_.decode_error->message : "there is no spec");
    } else {
      try_to_enqueue();
    }
    return std::move(out_);
  }

 private:
  bool was_accepted() const { return is_true(input_.status_before.conditions, "Accepted"); }

  void let_go() {
    const bool ended = input_.broker_job ? api::has_ended(input_.broker_job->state)
                                         : has_ended(input_.status_before);
    const bool no_record = input_.broker_job_known && !input_.broker_job;
    out_.cancel = input_.broker_reachable && !ended && !no_record;
    out_.acknowledge = input_.broker_job && ended;
  }

  void mirror(const BrokerJob& job) {
    const bool ended_before = has_ended(input_.status_before);
    if (api::has_ended(job.state)) {
      // Only an end that was read back from the resource lets the broker's record go.
      if (ended_before && input_.status_before.state == api::to_string(job.state)) {
        out_.acknowledge = true;
      } else {
        write_end(job);
      }
      return finish();
    }
    if (ended_before && !may_come_back()) return finish();
    const bool redriven = ended_before;
    const bool started = job.state == api::JobState::kRunning &&
                         (redriven || input_.status_before.state != "Running");
    if (was_accepted() && !started && !redriven) return;
    write_open(job, redriven);
  }

  // Succeeded and Cancelled are for good: a report that says otherwise was overtaken. A dead letter
  // may be redriven, a lost record may be found again.
  bool may_come_back() const {
    const Condition* failed = find_condition(input_.status_before.conditions, "Failed");
    return failed != nullptr && failed->status == "True" && failed->reason != "Cancelled";
  }

  void write_open(const BrokerJob& job, bool redriven) {
    JobStatus status;
    status.job_id = job.id;
    status.state = api::to_string(job.state);
    status.attempts = job.attempts;
    status.lease_losses = job.lease_losses;
    if (job.state == api::JobState::kRunning) {
      status.start_time = job.started_at;
      status.worker = job.worker;
    }
    out_.status = std::move(status);
    const char* reason = redriven ? "Redriven" : "NotFinished";
    set_conditions({"True", "Enqueued", ""}, {"False", reason, ""}, {"False", reason, ""});
  }

  void write_end(const BrokerJob& job) {
    JobStatus& status = out_.status;
    status.job_id = job.id;
    status.state = api::to_string(job.state);
    status.attempts = job.attempts;
    status.lease_losses = job.lease_losses;
    if (job.started_at) status.start_time = job.started_at;
    status.completion_time = job.finished_at.value_or(now_);
    status.worker = job.worker;
    status.result_truncated = job.result_json.size() > kStatusResultBytesMax;
    status.result_json = status.result_truncated ? std::string() : job.result_json;
    status.last_error = error_text(job);
    if (job.state == api::JobState::kSucceeded) {
      return set_conditions({"True", "Enqueued", ""}, {"True", "Succeeded", ""},
                            {"False", "Succeeded", ""});
    }
    set_conditions({"True", "Enqueued", ""}, {"False", status.state, ""},
                   {"True", status.state, status.last_error});
  }

  static std::string error_text(const BrokerJob& job) {
    std::string text = job.error_reason;
    if (!job.error_message.empty()) text += (text.empty() ? "" : ": ") + job.error_message;
    return cut_text(std::move(text), kLastErrorBytesMax);
  }

  // Never a second run: its first one may have had every effect already.
  void look_for_record() {
    if (!input_.broker_reachable) return;  // what stands in the status stays true
    if (!input_.broker_job_known) {
      out_.ask_broker = true;
      return;
    }
    out_.status.state = "Unknown";
    out_.status.completion_time = now_;
    out_.status.last_error = "OutcomeUnknown: the broker has no record of this job";
    set_conditions({"True", "Enqueued", ""}, {"False", "OutcomeUnknown", ""},
                   {"True", "OutcomeUnknown", "the broker has no record of this job"});
  }

  void try_to_enqueue() {
    const api::JobSpec& spec = *input_.spec;
    if (spec.suspend) return refuse("False", "Suspended", "spec.suspend is set");
    if (!input_.cycle.empty()) {
      return refuse("False", "DependencyCycle", "depends on itself: " + join_names(input_.cycle));
    }
    if (waits_for_parents()) return;
    if (!input_.queue_exists) {
      return refuse("False", "QueueNotFound", "there is no queue \"" + spec.queue + "\" yet");
    }
    if (!input_.broker_reachable) {
      return refuse("Unknown", "BrokerUnavailable", "the broker cannot be reached");
    }
    for (const JobParent& parent : input_.parents) out_.parent_ids.push_back(parent.uid);
    if (!input_.enqueue_error) {
      out_.enqueue = true;
      return refuse("Unknown", "Enqueuing", "");
    }
    if (is_missing_parent(*input_.enqueue_error)) return do_without_ended_parents();
    const Refusal refusal = refusal_of(input_.enqueue_error->code);
    refuse(refusal.status, refusal.reason, input_.enqueue_error->message);
    if (!refusal.retry) return;
    out_.enqueue = true;
    out_.requeue_after = kEnqueueRetry;
  }

  // A job exists in the broker from when its resource is Accepted.
  bool waits_for_parents() {
    for (const JobParent& parent : input_.parents) {
      if (parent.accepted) continue;
      const bool missing = parent.uid.empty();
      refuse("False", missing ? "ParentNotFound" : "ParentNotAccepted",
             missing ? "there is no job \"" + parent.name + "\" yet"
                     : "job \"" + parent.name + "\" is not accepted yet");
      return true;
    }
    return false;
  }

  // The broker forgets ended jobs; their resources still say how they ended.
  void do_without_ended_parents() {
    out_.parent_ids.clear();
    for (const JobParent& parent : input_.parents) {
      if (parent.end == JobParent::End::kNone) out_.parent_ids.push_back(parent.uid);
      if (parent.end == JobParent::End::kFailed &&
          input_.spec->on_parent_failure == api::ParentFailure::kDead) {
        return fail_with_parent(parent);
      }
    }
    refuse("False", "ParentNotFound", input_.enqueue_error->message);
    out_.enqueue = true;
    out_.requeue_after = kEnqueueRetry;
  }

  void fail_with_parent(const JobParent& parent) {
    out_.status.state = api::to_string(api::JobState::kDead);
    out_.status.completion_time = now_;
    out_.status.last_error = "ParentFailed: job \"" + parent.name + "\" has failed";
    set_conditions({"False", "ParentFailed", ""}, {"False", "ParentFailed", ""},
                   {"True", "ParentFailed", out_.status.last_error});
  }

  void refuse(const char* status, const char* reason, std::string message) {
    set_conditions({status, reason, std::move(message)}, {"False", "NotFinished", ""},
                   {"False", "NotFinished", ""});
  }

  // The end stands: what is left is its time to live. Dead letters have none.
  void finish() {
    const bool fresh_end = !has_ended(input_.status_before);
    const std::string& state = out_.status.state;
    const bool may_go = state == "Succeeded" || state == "Cancelled";
    if (!input_.spec || !input_.spec->ttl_seconds_after_finished || !may_go ||
        !out_.status.completion_time)
      return;
    const TimePoint end =
        *out_.status.completion_time + seconds{*input_.spec->ttl_seconds_after_finished};
    if (end <= now_ && !fresh_end) {
      out_.remove = true;
    } else {
      out_.requeue_after = std::max<Duration>(kRequeueMin, end - now_);
    }
  }

  struct Fact {
    const char* status;
    std::string reason;
    std::string message;
  };

  void set_conditions(Fact accepted, Fact complete, Fact failed) {
    std::vector<Condition> wanted;
    const auto add = [&](const char* type, Fact& fact) {
      wanted.push_back({.type = type,
                        .status = fact.status,
                        .reason = std::move(fact.reason),
                        .message = std::move(fact.message),
                        .last_transition_time = now_,
                        .observed_generation = input_.generation});
    };
    add("Accepted", accepted);
    add("Complete", complete);
    add("Failed", failed);
    out_.status.conditions =
        merge_conditions(input_.status_before.conditions, std::move(wanted), now_);
  }

  const JobInput& input_;
  TimePoint now_;
  JobPlan out_;
};

}  // namespace

JobPlan plan_job(const JobInput& input, TimePoint now) {
  return JobPlanner(input, now).plan();
}

}  // namespace sluice::op
