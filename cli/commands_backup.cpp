// `sluice backup`: copies of the broker's whole store, on its side.
#include <nlohmann/json.hpp>
#include <ostream>

#include "cli/commands.h"
#include "cli/queue_view.h"
#include "cli/table.h"

namespace sluice::cli {
namespace {

// "512 B", "1.5 MiB".
std::string format_bytes(std::int64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double size = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; size >= 1024 && unit + 1 < std::size(kUnits); ++unit) size /= 1024;
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", size, kUnits[unit]);
  return text;
}

ExitCode create(const Context& context, const BackupCommand& command) {
  const Json body = command.name.empty() ? Json::object() : Json{{"name", command.name}};
  const Answer answer = context.server.create_backup(body.dump());
  if (!answer.ok()) return fail(context, answer, "make a backup");
  const auto made = body_of(context, answer);
  if (!made) return ExitCode::kFailed;
  if (print_document(context, *made)) return ExitCode::kOk;
  context.console.out << "backup " << text_of(*made, "name") << " made, "
                      << format_bytes(count_of(*made, "bytes")) << '\n';
  return ExitCode::kOk;
}

ExitCode list(const Context& context) {
  const Answer answer = context.server.backups();
  if (!answer.ok()) return fail(context, answer, "list the backups");
  const auto body = body_of(context, answer);
  if (!body) return ExitCode::kFailed;
  if (print_document(context, *body)) return ExitCode::kOk;
  Table table({{"NAME"}, {"CREATED"}, {"SIZE", Column::Align::kRight}});
  for (const Json& backup : child_of(*body, "backups")) {
    table.add_row({text_of(backup, "name"), text_of(backup, "createdAt"),
                   format_bytes(count_of(backup, "bytes"))});
  }
  if (table.is_empty()) {
    say(context, "there are no backups; `sluice backup create` makes one");
    return ExitCode::kOk;
  }
  context.console.out << table.render();
  return ExitCode::kOk;
}

ExitCode remove(const Context& context, const BackupCommand& command) {
  const Answer answer = context.server.delete_backup(command.name);
  if (answer.status == 404) {
    say(context, "there is no backup " + command.name + "; see `sluice backup list`");
    return ExitCode::kFailed;
  }
  if (!answer.ok()) return fail(context, answer, "delete backup " + command.name);
  context.console.out << "backup " << command.name << " deleted\n";
  return ExitCode::kOk;
}

}  // namespace

ExitCode run(const Context& context, const BackupCommand& command) {
  switch (command.what) {
    case BackupCommand::What::kCreate:
      return create(context, command);
    case BackupCommand::What::kList:
      return list(context);
    case BackupCommand::What::kDelete:
      return remove(context, command);
  }
  return ExitCode::kUsage;
}

}  // namespace sluice::cli
