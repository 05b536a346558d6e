// The command lines of `sluice export`, `import` and `backup`.
#pragma once

#include <string>

#include "cli/options.h"

namespace CLI {
class App;
}

namespace sluice::cli {

// The parser's targets; `chosen` takes the one that was given.
struct TransferDraft {
  Command& chosen;
  std::string& mistake;
  std::string footer;  // of every help text
  ExportCommand exporting = {};
  ImportCommand importing = {};
  BackupCommand backup = {};
};

// `draft` outlives the parsing.
void add_transfer_commands(CLI::App& app, TransferDraft& draft);

}  // namespace sluice::cli
