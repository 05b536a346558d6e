// The command line as data.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "cli/cluster/cluster.h"
#include "cli/exit_code.h"
#include "cli/job_body.h"

namespace sluice::cli {

enum class OutputFormat { kTable, kJson, kYaml };

// --- one struct a command ----------------------------------------------------------------------

struct DevCommand {
  std::string folder;
  std::string data_folder = ".sluice";
  std::string listen = "127.0.0.1:7070";
  bool until_idle = false;
};

struct EnqueueCommand {
  std::string queue;
  std::optional<std::string> payload;  // absent: bulk, from `file`
  std::string file;                    // "-" is standard input; empty where neither was given
  bool envelope = false;               // lines are whole job objects
  JobFields fields;
  std::string idempotency_key;  // of the one job; empty: generated
  GroupFields group;
  std::string resume_key;  // prefix of an earlier bulk call; empty: generated
  bool imports = false;    // lines are of `sluice export`: the id of each stands for a key
};

struct ExportCommand {
  std::string queue;
  std::string states = "Blocked,Scheduled,Ready,Running";
  std::string labels;  // "a=1,b=2"
  std::string file;    // empty, or "-": standard output
};
struct ImportCommand {
  std::string queue;
  std::string file;  // empty, or "-": standard input
};
struct BackupCommand {
  enum class What { kCreate, kList, kDelete } what = What::kList;
  std::string name;  // empty: by the time
};

struct GetQueuesCommand {
  bool all_namespaces = false;
};
struct GetQueueCommand {
  std::string queue;
};
struct GetJobCommand {
  std::string id;
  std::string queue;  // empty: every queue of the namespace is asked
  bool payload = false;
  int wait_seconds = 0;  // for its end
};
struct GetGroupCommand {
  std::string queue;
  std::string id;
};
struct GetJobsCommand {
  std::string queue;
  std::string state;
  std::string labels;  // "a=1,b=2"
  int limit = 100;
};
// Declared resources, which local mode keeps in its data folder.
struct GetResourcesCommand {
  enum class What { kJobs, kSchedules } what = What::kJobs;
  std::string data_folder = ".sluice";
};
struct WatchCommand {
  std::string queue;  // empty: all
  bool jobs = false;  // the ends of its jobs instead of its figures
};
struct DeadCommand {
  std::string queue;
  int limit = 100;
  bool all = false;
};
struct RedriveCommand {
  std::string queue;
  std::vector<std::string> ids;  // empty: all
  std::string reason;
  std::string died_before, died_after;  // RFC 3339, or empty
  int max = 5'000;
  int per_second = 1'000;
  bool no_wait = false;
  std::string stop;  // the id of a redrive under way: that one is ended instead
};
struct PurgeCommand {
  std::string queue;
  bool yes = false;
};
struct CancelCommand {
  std::string queue;
  std::string id;  // empty: those that `labels`, `state` and `created_before` mean
  api::Labels labels;
  std::string state;
  std::string created_before;  // RFC 3339, or empty
};
struct RunCommand {
  std::string queue;
  std::string id;
};
struct RescheduleCommand {
  std::string queue;
  std::string id;
  std::string run_at;  // RFC 3339, or empty: then delay_seconds
  std::optional<int> delay_seconds;
};
struct PauseCommand {
  std::string queue;
  bool enqueue = false;
  bool dispatch = false;
};
struct ResumeCommand {
  std::string queue;
};
struct ScaleCommand {
  std::string queue;
  std::optional<int> replicas;  // absent: "auto"
};
struct TriggerCommand {
  std::string schedule;
};

using Command =
    std::variant<DevCommand, EnqueueCommand, GetQueuesCommand, GetQueueCommand, GetJobCommand,
                 GetGroupCommand, GetJobsCommand, GetResourcesCommand, WatchCommand, DeadCommand,
                 RedriveCommand, PurgeCommand, CancelCommand, RunCommand, RescheduleCommand,
                 PauseCommand, ResumeCommand, ScaleCommand, TriggerCommand, ExportCommand,
                 ImportCommand, BackupCommand>;

// Where the broker is and who we are to it.
struct Access {
  std::string server;       // empty: kDefaultServer, or found in the cluster
  std::string ca_file;      // of an https server
  std::string token_file;   // shown to the server
  bool in_cluster = false;  // through the Kubernetes API: --context, --kubeconfig, kubectl sluice
  ClusterOptions cluster;
};

inline constexpr const char* kDefaultServer = "http://127.0.0.1:7070";

struct Options {
  Access access;
  std::string namespace_name;  // empty: "default", or the kubeconfig's
  OutputFormat output = OutputFormat::kTable;
  Command command;
};

// Nothing to run: help was asked for, or the line is wrong. `text` is ready to print.
struct ParseEnd {
  ExitCode code = ExitCode::kOk;  // kOk: print on standard output, else on standard error
  std::string text;
};

// `arguments` begin with the program's name: as kubectl-sluice it works on the cluster. Reads
// SLUICE_SERVER, SLUICE_CA_FILE, SLUICE_TOKEN_FILE and KUBECONFIG from the environment.
std::variant<Options, ParseEnd> parse_options(std::vector<std::string> arguments);

}  // namespace sluice::cli
