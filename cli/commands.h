// One function a command. Each prints its outcome and returns the exit code.
#pragma once

#include "cli/context.h"
#include "cli/options.h"

namespace sluice::cli {

// commands_enqueue.cpp
ExitCode run(const Context& context, const EnqueueCommand& command);

// commands_transfer.cpp
ExitCode run(const Context& context, const ExportCommand& command);
ExitCode run(const Context& context, const ImportCommand& command);

// commands_backup.cpp
ExitCode run(const Context& context, const BackupCommand& command);

// commands_get.cpp
ExitCode run(const Context& context, const GetQueuesCommand& command);
ExitCode run(const Context& context, const GetQueueCommand& command);
ExitCode run(const Context& context, const GetJobCommand& command);
ExitCode run(const Context& context, const GetGroupCommand& command);
ExitCode run(const Context& context, const GetJobsCommand& command);

// commands_resources.cpp
ExitCode run(const Context& context, const GetResourcesCommand& command);

// commands_watch.cpp
ExitCode run(const Context& context, const WatchCommand& command);

// commands_dead.cpp
ExitCode run(const Context& context, const DeadCommand& command);
ExitCode run(const Context& context, const RedriveCommand& command);
ExitCode run(const Context& context, const PurgeCommand& command);

// commands_queue.cpp
ExitCode run(const Context& context, const CancelCommand& command);
ExitCode run(const Context& context, const RunCommand& command);
ExitCode run(const Context& context, const RescheduleCommand& command);
ExitCode run(const Context& context, const PauseCommand& command);
ExitCode run(const Context& context, const ResumeCommand& command);

}  // namespace sluice::cli
