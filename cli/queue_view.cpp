#include "cli/queue_view.h"

#include <nlohmann/json.hpp>

namespace sluice::cli {

std::int64_t count_of(const Json& object, std::string_view member) {
  const Json& value = child_of(object, member);
  return value.is_number() ? value.get<std::int64_t>() : 0;
}

double number_of(const Json& object, std::string_view member) {
  const Json& value = child_of(object, member);
  return value.is_number() ? value.get<double>() : 0;
}

const Json& child_of(const Json& object, std::string_view member) {
  static const Json kNothing = Json::object();
  if (!object.is_object()) return kNothing;
  const auto found = object.find(std::string(member));
  return found != object.end() && !found->is_null() ? *found : kNothing;
}

bool flag_of(const Json& object, std::string_view member) {
  const Json& value = child_of(object, member);
  return value.is_boolean() && value.get<bool>();
}

std::string queue_name_of(const Json& queue) {
  const std::string name = text_of(queue, "queue");
  return name.empty() ? text_of(queue, "name") : name;
}

std::string paused_text(const Json& figures) {
  const Json& paused = child_of(figures, "paused");
  const bool enqueue = flag_of(paused, "enqueue");
  const bool dispatch = flag_of(paused, "dispatch");
  if (enqueue && dispatch) return "both";
  if (enqueue) return "enqueue";
  return dispatch ? "dispatch" : "";
}

std::string pressure_text(const Json& figures) {
  const std::string pressure = text_of(figures, "pressure");
  if (pressure == "Throttle") return "throttle";
  return pressure == "Reject" ? "full" : "";
}

std::string circuit_text(const Json& figures) {
  const std::string circuit = text_of(figures, "circuit");
  if (circuit == "Open") return "open";
  return circuit == "HalfOpen" ? "half-open" : "";
}

Table queues_table(const Json& queues, bool with_namespace, TimePoint now) {
  using Align = Column::Align;
  std::vector<Column> columns = {
      {"NAME"},
      {"READY", Align::kRight},
      {"RUNNING", Align::kRight},
      {"SCHEDULED", Align::kRight},
      {"DEAD", Align::kRight},
      {"WORKERS", Align::kRight},
      {"DONE", Align::kRight},
      {"OLDEST", Align::kRight},
      {"PAUSED"},
      {"PRESSURE"},
      {"CIRCUIT"},
  };
  if (with_namespace) columns.insert(columns.begin(), Column{"NAMESPACE"});

  Table table(std::move(columns));
  for (const Json& queue : queues) {
    const Json& figures = child_of(queue, "figures");
    std::vector<std::string> cells = {
        queue_name_of(queue),
        format_count(count_of(figures, "ready")),
        format_count(count_of(figures, "running")),
        format_count(count_of(figures, "scheduled")),
        format_count(count_of(figures, "dead")),
        format_count(static_cast<std::int64_t>(child_of(queue, "workers").size())),
        format_rate(number_of(figures, "succeededPerSecond")),
        format_age_of(text_of(figures, "oldestReadyTime"), now),
        paused_text(figures),
        pressure_text(figures),
        circuit_text(figures),
    };
    if (with_namespace) cells.insert(cells.begin(), text_of(queue, "namespace"));
    table.add_row(std::move(cells));
  }
  return table;
}

}  // namespace sluice::cli
