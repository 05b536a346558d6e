#include "cli/options_transfer.h"

#include <CLI/CLI.hpp>

#include "common/api/job_protocol.h"

namespace sluice::cli {
namespace {

std::string examples(const TransferDraft& draft, std::string_view text) {
  return "\nExamples:\n" + std::string(text) + draft.footer;
}

const CLI::Validator kStates(
    [](std::string& text) -> std::string {
      std::string_view rest = text;
      for (bool more = true; more;) {
        const std::size_t comma = rest.find(',');
        const std::string_view state = rest.substr(0, comma);
        if (!api::parse_job_state(state)) {
          return '"' + std::string(state) + "\" is not a state a job can be in";
        }
        more = comma != std::string_view::npos;
        rest.remove_prefix(more ? comma + 1 : rest.size());
      }
      return {};
    },
    "STATE,…", "states");

void add_export(CLI::App& app, TransferDraft& draft) {
  CLI::App* sub = app.add_subcommand("export", "Write the jobs of a queue, one a line (NDJSON)");
  ExportCommand& command = draft.exporting;
  sub->add_option("QUEUE", command.queue, "Name of the queue")->required();
  sub->add_option("--state", command.states,
                  "In which states, Dead too; others that ended have no payload")
      ->check(kStates)
      ->capture_default_str();
  sub->add_option("-l,--labels", command.labels, "Only jobs with these, as a=1,b=2");
  sub->add_option("-f,--file,--output", command.file, "Where to (default: standard output)")
      ->type_name("FILE");
  sub->footer(examples(draft,
                       "  sluice export mail --file mail.ndjson\n"
                       "  sluice export mail --state Dead | sluice --server URL import mail -\n"));
  sub->callback([&draft] { draft.chosen = draft.exporting; });
}

void add_import(CLI::App& app, TransferDraft& draft) {
  CLI::App* sub =
      app.add_subcommand("import", "Enqueue what export wrote; a job that is there stays as it is");
  ImportCommand& command = draft.importing;
  sub->add_option("QUEUE", command.queue, "Name of the queue")->required();
  sub->add_option("FILE", command.file, "- is standard input, which is the default");
  sub->footer(examples(draft, "  sluice import mail mail.ndjson\n"));
  sub->callback([&draft] { draft.chosen = draft.importing; });
}

void add_backup(CLI::App& app, TransferDraft& draft) {
  CLI::App* backup = app.add_subcommand("backup", "Backups of the broker, in its --backup-dir");
  backup->require_subcommand(1);
  backup->footer(
      examples(draft,
               "  sluice backup create before-upgrade\n"
               "  sluice backup list\n"
               "  sluice backup delete before-upgrade\n"
               "  sluice-broker restore --backup DIR/before-upgrade --data NEW   where the broker "
               "runs\n"));
  BackupCommand& command = draft.backup;
  const auto add = [&](const char* verb, const char* about, BackupCommand::What what) {
    CLI::App* sub = backup->add_subcommand(verb, about);
    sub->callback([&draft, what] {
      draft.backup.what = what;
      draft.chosen = draft.backup;
    });
    return sub;
  };
  add("create", "Copy the store as it is now, while it is used", BackupCommand::What::kCreate)
      ->add_option("NAME", command.name, "What to call it (default: the time)");
  add("list", "The backups that are whole", BackupCommand::What::kList);
  add("delete", "Remove a backup", BackupCommand::What::kDelete)
      ->add_option("NAME", command.name, "Which one")
      ->required();
}

}  // namespace

void add_transfer_commands(CLI::App& app, TransferDraft& draft) {
  add_export(app, draft);
  add_import(app, draft);
  add_backup(app, draft);
}

}  // namespace sluice::cli
