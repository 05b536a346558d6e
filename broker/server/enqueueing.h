// Jobs on their way from a request into the engine.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "broker/server/coro.h"

namespace sluice::broker {

using Results = std::vector<Result<Enqueued>>;

struct Enqueueing {
  std::vector<NewJob> jobs;
  Results results = {};                // one a job
  std::vector<std::size_t> todo = {};  // indexes of jobs without a result yet
  std::optional<QueueNumber> number = {};
  std::shared_ptr<const EndedParents> parents = {};
  std::optional<NewGroup> group = {};  // that the jobs are
  std::optional<Uuid> group_id = {};   // once one was taken
  std::optional<Error> group_error = {};
  PressureView pressure = {};  // of the queue, as the last step saw it
};

bool has_parents(const Enqueueing& work);

// Asks the engine which parents it does not know, and the store about those, in every queue of the
// namespace: `work.parents`. kTooLarge: their results together.
Task<Status> look_up_parents(Call& call, Enqueueing& work);

// {id: result} of a claim, in the order of the granted jobs; empty where a job depends on none. Of
// the first jobs only, and of one at least, where all would be too much for one reply.
using ParentResults = std::vector<std::string>;
Task<Result<ParentResults>> read_parent_results(Call& call, const ClaimGrant& grant);

}  // namespace sluice::broker
