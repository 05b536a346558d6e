#include "operator/plan/pool_plan.h"

#include <algorithm>
#include <array>
#include <set>
#include <string_view>
#include <utility>

#include "operator/plan/conditions.h"

namespace sluice::op {
namespace {

using std::chrono::seconds;

bool has_ended(const PodFacts& pod) {
  return pod.phase == PodPhase::kSucceeded || pod.phase == PodPhase::kFailed;
}

const api::WorkerFigures* worker_of(const PoolInput& input, const PodFacts& pod) {
  if (!input.workers) return nullptr;
  const auto found =
      std::find_if(input.workers->begin(), input.workers->end(),
                   [&](const api::WorkerFigures& w) { return w.instance == pod.uid; });
  return found == input.workers->end() ? nullptr : &*found;
}

bool is_draining(const api::WorkerFigures* worker) {
  return worker != nullptr && (worker->drain_requested || worker->draining);
}

// Reasons a container waits for in the course of a good start.
bool is_trouble(const std::string& waiting_reason) {
  static constexpr std::array<std::string_view, 3> kHarmless = {"", "ContainerCreating",
                                                                "PodInitializing"};
  return std::find(kHarmless.begin(), kHarmless.end(), waiting_reason) == kHarmless.end();
}

// A number of pods, from a number or a share of `desired`.
int resolve(const api::IntOrPercent& share, int desired, bool round_up) {
  if (!share.percent) return std::max(0, share.value);
  const std::int64_t hundredths = std::int64_t{std::max(0, share.value)} * desired;
  return static_cast<int>((hundredths + (round_up ? 99 : 0)) / 100);
}

// A pod with what the broker knows of its worker.
struct Member {
  const PodFacts* pod;
  const api::WorkerFigures* worker;  // null: the broker has not seen it, or cannot be asked

  std::int64_t running() const { return worker == nullptr ? 0 : worker->running; }
  int ordinal() const { return pod_ordinal(pod->name).value_or(0); }
};

// Fewest jobs first, those not even ready before all; the youngest name first among equals.
bool has_less_to_lose(const Member& a, const Member& b) {
  const auto key = [](const Member& m) {
    return std::tuple(m.running(), m.pod->ready, -m.ordinal(), std::string_view(m.pod->name));
  };
  return key(a) < key(b);
}

class PoolPlanner {
 public:
  PoolPlanner(const PoolInput& input, TimePoint now) : input_(input), now_(now) {
    for (const PodFacts& pod : input.pods) sort_in(pod);
    std::sort(fresh_.begin(), fresh_.end(), has_less_to_lose);
    std::sort(old_.begin(), old_.end(), has_less_to_lose);
    out_.counted = static_cast<int>(fresh_.size() + old_.size());
    const int surge = resolve(input.rollout.max_surge, input.desired, true);
    unavailable_ = resolve(input.rollout.max_unavailable, input.desired, false);
    if (surge == 0 && unavailable_ == 0) unavailable_ = 1;  // otherwise nothing could ever move
    counted_max_ = input.desired + (old_.empty() ? 0 : surge);
  }

  PoolPlan plan() {
    bury_ended();
    delete_drained();
    grow();
    if (input_.workers) {
      shrink();
      replace_outdated();
    }
    describe_progress();
    return std::move(out_);
  }

 private:
  void sort_in(const PodFacts& pod) {
    if (has_ended(pod)) {
      ended_.push_back(&pod);
      return;
    }
    ++out_.replicas;
    if (pod.deleting) return;
    if (pod.ready) ++out_.ready_replicas;
    const Member member{&pod, worker_of(input_, pod)};
    const bool is_fresh = pod.template_hash == input_.template_hash;
    if (is_draining(member.worker)) {
      draining_.push_back(member);
    } else {
      (is_fresh ? fresh_ : old_).push_back(member);
    }
  }

  // The broker hears of an end before the pod, the only trace of it, goes.
  void bury_ended() {
    for (const PodFacts* pod : ended_) {
      if (!pod->reported_gone) {
        if (!input_.workers) continue;  // it could not be told
        out_.actions.push_back(ReportGone{pod->name, pod->uid, gone_cause(*pod)});
      }
      if (!pod->deleting) out_.actions.push_back(DeletePod{pod->name, pod->uid});
    }
  }

  void delete_drained() {
    for (const Member& member : draining_) {
      const api::WorkerFigures& worker = *member.worker;
      // One that drains of its own will goes when it has nothing left: it has done its share
      // (maxJobsPerPod), or was told to stop and exits by itself.
      if (worker.running > 0) continue;
      const bool says_done = worker.draining && worker.holding == 0;
      const TimePoint silent_at =
          worker.seen_at.value_or(member.pod->created_at) + seconds{input_.lease_seconds};
      if (says_done || now_ >= silent_at) {
        out_.actions.push_back(DeletePod{member.pod->name, member.pod->uid});
        leaving_.insert(member.pod->uid);
      } else {
        wake_at(silent_at);
      }
    }
  }

  // Draining workers of today's template come back before new ones are made.
  void grow() {
    int missing =
        std::min(input_.desired - static_cast<int>(fresh_.size()), counted_max_ - out_.counted);
    if (missing <= 0) return;
    std::vector<Member> back;
    for (const Member& member : draining_) {
      const bool returns = member.worker->drain_requested &&
                           member.pod->template_hash == input_.template_hash &&
                           !leaving_.contains(member.pod->uid);
      if (returns) back.push_back(member);
    }
    std::sort(back.begin(), back.end(),
              [](const Member& a, const Member& b) { return has_less_to_lose(b, a); });
    for (const Member& member : back) {
      if (missing == 0) return;
      out_.actions.push_back(UndrainWorker{member.pod->name, member.pod->uid});
      --missing;
    }
    if (missing > 0) create(missing);
  }

  void create(int count) {
    if (!input_.may_create) return;
    if (input_.is_failing_to_start) {  // SURVIVAL 11: no storm of pods that fail
      const bool one_is_starting = count_ready(fresh_) < static_cast<int>(fresh_.size());
      // That one tells. Where pods were only refused, one that is there says nothing.
      if (one_is_starting && !input_.start_error.empty()) return;
      count = 1;
    }
    if (input_.create_not_before && now_ < *input_.create_not_before) {
      backing_off_ = true;
      wake_at(*input_.create_not_before);
      return;
    }
    // Names of pods on their way out are still taken.
    std::set<int> held;
    for (const PodFacts& pod : input_.pods) {
      if (const auto ordinal = pod_ordinal(pod.name)) held.insert(*ordinal);
    }
    for (int ordinal = 0; count > 0; ++ordinal) {
      if (held.contains(ordinal)) continue;
      out_.actions.push_back(CreatePod{ordinal, pod_name(input_, ordinal)});
      --count;
    }
  }

  void shrink() {
    const int desired = input_.desired;
    drain_first(fresh_, static_cast<int>(fresh_.size()) - desired);
    if (old_.empty()) return;

    const int old_count = static_cast<int>(old_.size());
    const int fresh_count = std::min(static_cast<int>(fresh_.size()), desired);
    const int fresh_ready = count_ready(fresh_);
    if (desired == 0) return drain_first(old_, old_count);
    if (fresh_ready == 0) {
      // A template that may be broken takes no worker away; fewer wanted workers still do.
      return drain_first(old_, old_count - desired);
    }
    // Those not ready carry nothing and go freely; the others as far as maxUnavailable allows.
    const int old_ready = count_ready(old_);
    const int spare = std::min(fresh_ready, fresh_count) + old_ready - (desired - unavailable_);
    drain_first(old_, (old_count - old_ready) + std::clamp(spare, 0, old_ready), true);
  }

  // Workers of an earlier injected version go while they are idle, one at a time: the next one
  // waits until its successor is ready.
  void replace_outdated() {
    const bool is_steady = old_.empty() && draining_.empty() && out_.actions.empty() &&
                           static_cast<int>(fresh_.size()) == input_.desired &&
                           count_ready(fresh_) == input_.desired;
    if (!is_steady) return;
    const auto idle = std::find_if(fresh_.begin(), fresh_.end(), [&](const Member& m) {
      return m.pod->injected_version != input_.injected_version && m.running() == 0;
    });
    if (idle != fresh_.end()) let_go(*idle);
  }

  static int count_ready(const std::vector<Member>& members) {
    return static_cast<int>(std::count_if(members.begin(), members.end(),
                                          [](const Member& m) { return m.pod->ready; }));
  }

  // `members` are sorted; `unready_first` puts those without readiness before idle ones.
  void drain_first(std::vector<Member> members, int count, bool unready_first = false) {
    if (unready_first) {
      std::stable_partition(members.begin(), members.end(),
                            [](const Member& m) { return !m.pod->ready; });
    }
    for (int i = 0; i < std::min(count, static_cast<int>(members.size())); ++i) {
      let_go(members[static_cast<std::size_t>(i)]);
    }
  }

  void let_go(const Member& member) {
    // A pod the broker never heard of in a lease's time (its image cannot be pulled, say) holds
    // nothing and would never report that it drained.
    const TimePoint unseen_at = member.pod->created_at + seconds{input_.lease_seconds};
    if (member.worker == nullptr && now_ >= unseen_at) {
      out_.actions.push_back(DeletePod{member.pod->name, member.pod->uid});
      return;
    }
    if (member.worker == nullptr) wake_at(unseen_at);
    out_.actions.push_back(DrainWorker{member.pod->name, member.pod->uid});
  }

  void describe_progress() {
    const TimePoint never = TimePoint::max();
    TimePoint deadline = never;
    bool all_ready = true;
    for (const Member& member : fresh_) {
      const PodFacts& pod = *member.pod;
      if (pod.ready) continue;
      all_ready = false;
      if (is_trouble(pod.waiting_reason)) {
        const std::string detail = pod.waiting_message.empty() ? "" : ": " + pod.waiting_message;
        return stalled("pod " + pod.name + ": " + pod.waiting_reason + detail);
      }
      deadline =
          std::min(deadline, pod.created_at + seconds{input_.rollout.progress_deadline_seconds});
    }
    if (deadline <= now_) {
      return stalled("a pod is not ready after progressDeadlineSeconds");
    }
    if (!input_.create_error.empty()) {
      return stalled("pods cannot be created: " + input_.create_error);
    }
    if (input_.is_failing_to_start && input_.desired > 0 && !input_.start_error.empty()) {
      return stalled("pods fail to start, the last one was " + input_.start_error);
    }
    if (backing_off_) return stalled("pods fail to start: the next one waits for a backoff");
    if (deadline != never) wake_at(deadline);
    const bool done = all_ready && old_.empty() &&
                      static_cast<int>(fresh_.size()) == input_.desired && out_.actions.empty();
    out_.progress_reason = done ? "Rolled" : "Rolling";
  }

  void stalled(std::string message) {
    out_.progress_reason = "Stalled";
    out_.progress_message = std::move(message);
  }

  void wake_at(TimePoint when) {
    out_.requeue_after =
        earlier_wait(out_.requeue_after, std::max<Duration>(kRequeueMin, when - now_));
  }

  const PoolInput& input_;
  TimePoint now_;
  PoolPlan out_;
  std::vector<const PodFacts*> ended_;
  std::vector<Member> draining_;
  std::vector<Member> fresh_;  // capacity of today's template, least to lose first
  std::vector<Member> old_;    // capacity of earlier ones, in the same way
  std::set<std::string_view> leaving_;
  int unavailable_ = 0;
  int counted_max_ = 0;
  bool backing_off_ = false;
};

}  // namespace

PoolPlan plan_pool(const PoolInput& input, TimePoint now) {
  return PoolPlanner(input, now).plan();
}

int counted_pods(const PoolInput& input) {
  return static_cast<int>(
      std::count_if(input.pods.begin(), input.pods.end(), [&](const PodFacts& pod) {
        return !has_ended(pod) && !pod.deleting && !is_draining(worker_of(input, pod));
      }));
}

}  // namespace sluice::op
