// What a command works with, and how it says what went wrong.
#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <string>
#include <string_view>

#include "cli/document.h"
#include "cli/exit_code.h"
#include "cli/options.h"
#include "cli/server_client.h"
#include "cli/table.h"
#include "common/base/clock.h"

namespace sluice::cli {

// The terminal, pipe or file behind each standard stream.
struct Console {
  std::ostream& out;
  std::ostream& err;
  int in_fd = 0;
  bool in_is_terminal = false;
  bool out_is_terminal = false;
  bool err_is_terminal = false;
};

struct Context {
  const Options& options;
  ServerClient& server;
  std::string server_url;  // for people
  const Console& console;
  const Clock& clock;
  std::function<void(Duration)> wait;
  std::string fresh_key;  // never made before; prefix of this invocation's idempotency keys
  std::uint64_t jitter_seed = 0;
};

// Prints `document` where -o asks for one; false when a table is wanted.
bool print_document(const Context& context, const Json& document);

// Cut to the line on a terminal alone: whoever reads a pipe or a file wants the whole text.
void print_table(const Context& context, const Table& table);

// "sluice: MESSAGE" on standard error.
void say(const Context& context, std::string_view message);

// Says why `answer` is not a good one and what to do about it. `doing` is the thing tried: "pause
// queue mail".
ExitCode fail(const Context& context, const Answer& answer, std::string_view doing);

// An answer's body; absent, and said, when it is not the JSON it should be.
std::optional<Json> body_of(const Context& context, const Answer& answer);

}  // namespace sluice::cli
