#include "cli/context.h"

#include <limits>
#include <nlohmann/json.hpp>
#include <ostream>

namespace sluice::cli {
namespace {

// What helps after an error of this kind.
std::string_view advice_for(const Answer& answer) {
  switch (answer.status) {
    case 404:
      return "; `sluice get queues` and `sluice get jobs QUEUE` list what there is";
    case 429:
      return "; try again later, or raise spec.backpressure.reject";
    case 503:
      return answer.error.code == ErrorCode::kQueuePaused ? "; `sluice resume QUEUE` lets jobs in"
                                                          : "; try again later";
    case 507:
      return "; free disk space where the broker keeps its data";
    default:
      return "";
  }
}

}  // namespace

bool print_document(const Context& context, const Json& document) {
  switch (context.options.output) {
    case OutputFormat::kTable:
      return false;
    case OutputFormat::kJson:
      context.console.out << print(document, DocumentFormat::kJson);
      break;
    case OutputFormat::kYaml:
      context.console.out << print(document, DocumentFormat::kYaml);
      break;
  }
  return true;
}

void print_table(const Context& context, const Table& table) {
  const std::size_t width_max =
      context.console.out_is_terminal ? kTableColumnsMax : std::numeric_limits<std::size_t>::max();
  context.console.out << table.render(width_max);
}

void say(const Context& context, std::string_view message) {
  context.console.err << "sluice: " << message << std::endl;
}

ExitCode fail(const Context& context, const Answer& answer, std::string_view doing) {
  if (answer.is_unreachable()) {
    say(context, "cannot " + std::string(doing) + ": no server answers at " + context.server_url +
                     " (" + answer.error.message +
                     "); start one with `sluice dev DIR`, or name it with --server");
    return ExitCode::kUnreachable;
  }
  std::string message = "cannot " + std::string(doing) + ": ";
  // Most messages of the broker begin with the field already.
  const std::string& field = answer.error.field;
  if (!field.empty() && !answer.error.message.starts_with(field + ":")) message += field + ": ";
  say(context, message.append(answer.error.message).append(advice_for(answer)));
  return ExitCode::kFailed;
}

std::optional<Json> body_of(const Context& context, const Answer& answer) {
  auto parsed = parse_json(answer.body);
  if (!parsed || !parsed->is_object()) {
    say(context, "what answers at " + context.server_url +
                     " does not speak like a sluice broker; check --server");
    return std::nullopt;
  }
  return parsed;
}

}  // namespace sluice::cli
