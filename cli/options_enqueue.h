// The command line of `sluice enqueue`.
#pragma once

#include <string>
#include <vector>

#include "cli/options.h"

namespace CLI {
class App;
}

namespace sluice::cli {

// The parser's targets; `chosen` takes the command when it was given.
struct EnqueueDraft {
  Command& chosen;
  std::string& mistake;
  std::string footer;  // of every help text
  EnqueueCommand enqueue = {};
  std::string payload = {};
  std::vector<std::string> labels = {};
};

// `draft` outlives the parsing.
void add_enqueue(CLI::App& app, EnqueueDraft& draft);

}  // namespace sluice::cli
