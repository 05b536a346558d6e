// What sluice-worker does in a pod besides working: putting itself there, and asking the worker.
#pragma once

#include <optional>
#include <string>

#include "common/base/result.h"

namespace sluice::worker {

// The exit status when the arguments are one of these, run to its end; absent when they are the
// worker's own.
//   install PATH       copies this program to PATH, executable for everybody
//   ready SOCKET       exit 0 when the worker could begin a job
//   pre-stop SOCKET    tells the worker that the pod goes; returns when it holds no job, or when it
//                      is time for the handler to be told to end
std::optional<int> run_pod_command(int argc, const char* const* argv);

// Puts a copy of the file `from` at `to`, in one step and with mode 0755; its folder is made.
Status install_program(const std::string& from, const std::string& to);

}  // namespace sluice::worker
