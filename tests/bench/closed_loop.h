// Closed loops: each connection sends its next request when its last one is answered.
#pragma once

#include <cstddef>

#include "tests/bench/bench.h"
#include "tests/bench/figures.h"

namespace sluice::bench {

// Both use the first `connections` of the bench, and give the rate and the broker's CPU time a job;
// the caller names the row. An enqueue's row has latencies too.
Row run_enqueues(Bench& bench, std::size_t connections, std::size_t jobs_a_request,
                 std::size_t jobs);
// Claims and settles until `jobs` were claimed; ends the process when there are fewer.
Row run_settlements(Bench& bench, std::size_t connections, std::size_t jobs_a_request,
                    std::size_t jobs);

}  // namespace sluice::bench
