// Queues as the broker lists them, in the form that `get queues` and `watch` show.
#pragma once

#include <string>
#include <string_view>

#include "cli/document.h"
#include "cli/table.h"
#include "common/base/clock.h"

namespace sluice::cli {

// Members that may be missing: 0 and an empty object then.
std::int64_t count_of(const Json& object, std::string_view member);
double number_of(const Json& object, std::string_view member);
const Json& child_of(const Json& object, std::string_view member);
bool flag_of(const Json& object, std::string_view member);

// A listed queue's name.
std::string queue_name_of(const Json& queue);

// "enqueue", "dispatch", "both" or nothing.
std::string paused_text(const Json& figures);

// "throttle" (producers are asked to slow down), "full" (they are refused) or nothing.
std::string pressure_text(const Json& figures);

// "open" (nothing starts), "half-open" (a few are tried) or nothing.
std::string circuit_text(const Json& figures);

// `queues` is an array of {"namespace","queue","figures","workers"}.
Table queues_table(const Json& queues, bool with_namespace, TimePoint now);

}  // namespace sluice::cli
