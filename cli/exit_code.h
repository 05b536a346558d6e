// What the shell learns from `sluice`; the numbers are part of its contract.
#pragma once

namespace sluice::cli {

enum class ExitCode {
  kOk = 0,
  kFailed = 1,       // the server refused, or something asked for is not there
  kUsage = 2,        // the command line is at fault; nothing was sent
  kUnreachable = 3,  // no server answers
};

}  // namespace sluice::cli
