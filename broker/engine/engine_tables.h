// The engine's data.
#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "broker/engine/effects.h"
#include "broker/engine/engine_parts.h"
#include "broker/engine/groups.h"
#include "broker/engine/lease_state.h"
#include "broker/engine/queue_state.h"
#include "broker/engine/redrive.h"

namespace sluice::broker {

// Only the moves of Engine::State (engine_state.h) change it; they keep its parts in step.
struct EngineTables {
  using RedriveKey = std::pair<std::uint32_t, Uuid>;  // queue index, then as they were made
  using GroupKey = std::pair<std::uint32_t, Uuid>;    // queue index, id

  JobTable jobs;
  std::vector<std::unique_ptr<QueueState>> queues;  // null where one was dropped
  std::map<QueueName, QueueState*> queue_by_name;
  std::map<std::string, NamespaceUsage> namespace_usage;  // by namespace; queues point into it
  NamespaceLimitTable namespace_limits;
  std::uint32_t next_queue_number = 1;
  mutable QueueState* last_loaded = nullptr;

  LeaseTable leases;
  SlotHeap<LeaseTable> lease_ends;
  std::unordered_map<std::uint64_t, LeaseList> claims;  // the live leases of each, never none
  std::vector<ClaimRecord> loaded_claims;

  std::set<std::pair<TimePoint, std::uint32_t>> alarms;  // queue indexes by QueueState::alarm
  std::set<std::pair<SteadyPoint, std::uint32_t>> flow_alarms;
  std::set<std::pair<TimePoint, JobId>> expiries;  // waiting jobs with expiresAt

  std::unordered_map<JobId, ParentState> parents;
  std::deque<JobId> to_release;  // ended parents with children that wait
  std::vector<Slot> loaded_children;
  std::unordered_map<JobId, LoadedEnd> loaded_ends;
  EndedParents just_left;  // memory, in a step whose next jobs may depend on them

  std::map<RedriveKey, RedriveRecord> redrives;
  std::set<std::pair<SteadyPoint, RedriveKey>> redrives_due;

  std::map<GroupKey, GroupRecord> groups;
  std::optional<GroupKey> open_group;  // begun, and not yet sealed

  std::map<std::pair<std::uint32_t, Hash128>, RecentKey> recent_keys;  // by queue index and key
  std::map<JobId, RecentEnd> recent_ends;                              // of jobs with given ids
  std::deque<std::pair<BatchNumber, std::pair<std::uint32_t, Hash128>>> recent_key_order;
  std::deque<std::pair<BatchNumber, JobId>> recent_end_order;

  std::unordered_map<WaiterId, std::pair<std::uint32_t, std::list<Waiter>::iterator>> waiters;
  std::set<std::uint32_t> to_serve;    // queues whose waiters may have something to get
  std::set<std::uint32_t> to_look_at;  // queues whose flow control this step may have changed
  std::map<JobId, int> watched;
  std::map<QueueName, int> listened_to;

  std::map<std::uint64_t, JobId> outcome_order;  // by sequence
  std::unordered_map<JobId, SourceState> sources;
  std::multimap<std::string, JobId> jobs_by_source;
  std::uint64_t last_sequence = 0;

  bool signals_wanted = false;
  std::set<std::uint32_t> to_signal;
  Effects effects;
};

}  // namespace sluice::broker
