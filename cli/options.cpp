#include "cli/options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <sstream>
#include <utility>

#include "cli/option_values.h"
#include "cli/options_enqueue.h"
#include "cli/options_transfer.h"
#include "common/api/job_protocol.h"
#include "common/base/clock.h"

namespace sluice::cli {
namespace {

constexpr int kSecondsMax = 10 * 366 * 24 * 3600;  // ten years, as the broker bounds every duration
constexpr int kJobsShownMax = 1'000'000;
constexpr int kRedriveMax = 10'000;
constexpr int kWaitSecondsMax = 7 * 24 * 3600;
constexpr int kRedrivePerSecondMax = 100'000;

constexpr const char* kAbout =
    "Sluice runs background jobs: queues, durable jobs, workers that come and go with the backlog.";
constexpr const char* kFooter = R"(
Examples:
  sluice dev examples/licence-audit             run queues, jobs and workers of a folder
  sluice enqueue mail '{"to":"ann@example.org"}'
  sluice get queues
  sluice dead mail                              what gave up, and why
  sluice export mail --file mail.ndjson         its jobs, for sluice import
  kubectl sluice get queues                     the same on a cluster

Exit codes: 0 done; 1 refused or not found; 2 wrong command line; 3 no server answers.)";
constexpr const char* kGlobal =
    "\nEvery command takes --server URL, -n NAMESPACE and -o table|json|yaml: see sluice --help.";

std::string examples(std::string_view text) {
  return "\nExamples:\n" + std::string(text) + kGlobal;
}

const CLI::Validator kMoment(
    [](std::string& text) -> std::string { return mistake_in_moment(text); }, "TIME", "moment");

const CLI::Validator kState(
    [](std::string& text) -> std::string {
      if (api::parse_job_state(text)) return {};
      return '"' + text +
             "\" is not a state: Blocked, Scheduled, Ready, Running, Succeeded, Dead or Cancelled";
    },
    "STATE", "state");

constexpr std::pair<std::string_view, OutputFormat> kFormats[] = {
    {"table", OutputFormat::kTable}, {"json", OutputFormat::kJson}, {"yaml", OutputFormat::kYaml}};

std::optional<OutputFormat> format_of(std::string_view text) {
  for (const auto& [name, format] : kFormats) {
    if (name == text) return format;
  }
  return std::nullopt;
}

const CLI::Validator kFormat(
    [](std::string& text) -> std::string {
      if (format_of(text)) return {};
      return '"' + text + "\" is not a way to print: table, json or yaml";
    },
    "", "format");

// The parser's targets, one a command; `command` says which was given.
struct Draft {
  Options options;
  std::string mistake;  // that the parser cannot know; empty: none
  std::string output = "table";
  DevCommand dev;
  std::vector<std::string> cancel_labels;
  GetQueuesCommand get_queues;
  GetQueueCommand get_queue;
  GetJobCommand get_job;
  GetGroupCommand get_group;
  GetJobsCommand get_jobs;
  GetResourcesCommand get_resources;
  WatchCommand watch;
  DeadCommand dead;
  RedriveCommand redrive;
  PurgeCommand purge;
  CancelCommand cancel;
  RunCommand run;
  RescheduleCommand reschedule;
  PauseCommand pause;
  ResumeCommand resume;
  ScaleCommand scale;
  std::string replicas;
  TriggerCommand trigger;
};

// Stores the chosen command once its line is parsed.
template <typename T>
void choose(CLI::App* app, Draft& draft, T& command) {
  app->callback([&draft, &command] { draft.options.command = command; });
}

void add_dev(CLI::App& app, Draft& draft) {
  CLI::App* sub = app.add_subcommand("dev", "Run a folder of manifests here, without Kubernetes");
  sub->add_option("DIR", draft.dev.folder, "Folder of Queue, Job and Schedule manifests")
      ->required();
  sub->add_option("--data", draft.dev.data_folder, "Where state is kept")->capture_default_str();
  sub->add_option("--listen", draft.dev.listen, "Address of the broker; port 0 picks a free one")
      ->capture_default_str();
  sub->add_flag("--until-idle", draft.dev.until_idle, "End once nothing is left to do");
  sub->footer(
      examples("  sluice dev .\n"
               "  sluice dev examples/licence-audit --data /tmp/audit --until-idle\n"));
  choose(sub, draft, draft.dev);
}

// What is wrong with it; empty when nothing is.
std::string read_replicas(const std::string& text, ScaleCommand& command) {
  constexpr int kReplicasMax = 10'000;
  if (text == "auto") return {};
  int replicas = -1;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), replicas);
  if (failure != std::errc() || end != text.data() + text.size() || replicas < 0 ||
      replicas > kReplicasMax) {
    return "REPLICAS: \"" + text + "\" is neither auto nor a number from 0 to 10000";
  }
  command.replicas = replicas;
  return {};
}

void add_get(CLI::App& app, Draft& draft) {
  CLI::App* get = app.add_subcommand("get", "Show queues, jobs and schedules");
  get->require_subcommand(1);
  get->footer(
      examples("  sluice get queues\n"
               "  sluice get queue mail\n"
               "  sluice get jobs mail --state Running\n"
               "  sluice get job 0193e5c1-0000-7000-8000-000000000001 --payload\n"
               "  sluice get job 0193e5c1-0000-7000-8000-000000000001 --wait 60\n"));

  CLI::App* queues = get->add_subcommand("queues", "All queues of the namespace");
  queues->add_flag("-A,--all-namespaces", draft.get_queues.all_namespaces, "Of every namespace");
  choose(queues, draft, draft.get_queues);

  CLI::App* queue = get->add_subcommand("queue", "One queue: figures and workers");
  queue->add_option("NAME", draft.get_queue.queue, "Name of the queue")->required();
  choose(queue, draft, draft.get_queue);

  CLI::App* job = get->add_subcommand("job", "One job: state, result, error and runs");
  job->add_option("ID", draft.get_job.id, "The id that enqueue printed")->required();
  job->add_option("-q,--queue", draft.get_job.queue, "Its queue (default: every queue is asked)");
  job->add_flag("--payload", draft.get_job.payload, "With its payload");
  job->add_option("--wait", draft.get_job.wait_seconds,
                  "Seconds to wait for its end; exit code 1 when it has not ended by then")
      ->check(CLI::Range(1, kWaitSecondsMax));
  choose(job, draft, draft.get_job);

  CLI::App* group = get->add_subcommand("group", "How far the jobs of a group are");
  group->add_option("QUEUE", draft.get_group.queue, "Its queue")->required();
  group->add_option("ID", draft.get_group.id, "The id that enqueue --group printed")->required();
  choose(group, draft, draft.get_group);

  CLI::App* jobs = get->add_subcommand("jobs", "Jobs of a queue; without QUEUE the Job resources");
  jobs->add_option("QUEUE", draft.get_jobs.queue, "Name of the queue");
  jobs->add_option("--state", draft.get_jobs.state, "Only jobs in this state")->check(kState);
  jobs->add_option("-l,--labels", draft.get_jobs.labels, "Only jobs with these, as a=1,b=2");
  jobs->add_option("--limit", draft.get_jobs.limit, "Most jobs shown")
      ->check(CLI::Range(1, kJobsShownMax))
      ->capture_default_str();
  jobs->add_option("--data", draft.get_resources.data_folder,
                   "Data folder of `sluice dev`, which knows the Job resources")
      ->capture_default_str();
  jobs->callback([&draft] {
    if (!draft.get_jobs.queue.empty()) {
      draft.options.command = draft.get_jobs;
      return;
    }
    if (!draft.get_jobs.state.empty()) draft.mistake = "--state needs a QUEUE";
    draft.get_resources.what = GetResourcesCommand::What::kJobs;
    draft.options.command = draft.get_resources;
  });

  CLI::App* schedules = get->add_subcommand("schedules", "The Schedule resources of `sluice dev`");
  schedules->add_option("--data", draft.get_resources.data_folder, "Data folder of `sluice dev`")
      ->capture_default_str();
  schedules->callback([&draft] {
    draft.get_resources.what = GetResourcesCommand::What::kSchedules;
    draft.options.command = draft.get_resources;
  });
}

void add_dead(CLI::App& app, Draft& draft) {
  CLI::App* dead = app.add_subcommand("dead", "Dead letters of a queue, and why each died");
  dead->add_option("QUEUE", draft.dead.queue, "Name of the queue")->required();
  CLI::Option* limit = dead->add_option("--limit", draft.dead.limit, "Most dead letters shown")
                           ->check(CLI::Range(1, kJobsShownMax))
                           ->capture_default_str();
  dead->add_flag("--all", draft.dead.all, "Every one of them")->excludes(limit);
  dead->footer(examples("  sluice dead mail\n  sluice dead mail --all -o json\n"));
  choose(dead, draft, draft.dead);

  CLI::App* redrive = app.add_subcommand("redrive", "Give dead letters another life");
  redrive->add_option("QUEUE", draft.redrive.queue, "Name of the queue")->required();
  CLI::Option* ids = redrive->add_option("ID", draft.redrive.ids, "Which ones (default: all)");
  redrive->add_option("--reason", draft.redrive.reason, "Only those that died of this reason")
      ->excludes(ids);
  redrive
      ->add_option("--died-before", draft.redrive.died_before, "Only those that died before then")
      ->check(kMoment)
      ->excludes(ids);
  redrive->add_option("--died-after", draft.redrive.died_after, "Only those that died after then")
      ->check(kMoment)
      ->excludes(ids);
  redrive->add_option("--max", draft.redrive.max, "At most so many, the oldest first")
      ->check(CLI::Range(1, kRedriveMax))
      ->capture_default_str();
  redrive->add_option("--per-second", draft.redrive.per_second, "How fast")
      ->check(CLI::Range(1, kRedrivePerSecondMax))
      ->capture_default_str();
  redrive->add_flag("--no-wait", draft.redrive.no_wait, "Return at once; the broker goes on");
  redrive->add_option("--stop", draft.redrive.stop, "End the redrive of this id instead")
      ->type_name("REDRIVE")
      ->excludes(ids);
  redrive->footer(
      examples("  sluice redrive mail\n"
               "  sluice redrive mail --reason Timeout --per-second 50\n"));
  choose(redrive, draft, draft.redrive);

  CLI::App* purge = app.add_subcommand("purge", "Drop the dead letters of a queue for good");
  purge->add_option("QUEUE", draft.purge.queue, "Name of the queue")->required();
  purge->add_flag("-y,--yes", draft.purge.yes, "Do not ask");
  purge->footer(examples("  sluice purge mail --yes\n"));
  choose(purge, draft, draft.purge);
}

void add_queue_commands(CLI::App& app, Draft& draft) {
  CLI::App* watch = app.add_subcommand("watch", "Follow the figures of queues as they change");
  watch->add_option("QUEUE", draft.watch.queue, "Only this queue");
  watch->add_flag("--jobs", draft.watch.jobs, "The ends of its jobs, as they come, instead");
  watch->footer(
      examples("  sluice watch\n"
               "  sluice watch mail -o json | jq .figures.ready\n"
               "  sluice watch mail --jobs\n"));
  watch->callback([&draft] {
    draft.options.command = draft.watch;
    if (draft.watch.jobs && draft.watch.queue.empty()) draft.mistake = "--jobs needs a QUEUE";
  });

  CLI::App* cancel = app.add_subcommand("cancel", "Cancel a job; a running one is asked to stop");
  cancel->add_option("QUEUE", draft.cancel.queue, "Name of the queue")->required();
  CLI::Option* one = cancel->add_option("ID", draft.cancel.id, "Id of the job");
  cancel->add_option("-l,--label", draft.cancel_labels, "All jobs with this NAME=VALUE; repeatable")
      ->type_name("NAME=VALUE")
      ->expected(1)
      ->take_all()
      ->excludes(one);
  cancel->add_option("--state", draft.cancel.state, "All jobs in this state")
      ->check(kState)
      ->excludes(one);
  cancel->add_option("--created-before", draft.cancel.created_before, "All jobs from before then")
      ->check(kMoment)
      ->excludes(one);
  cancel->footer(
      examples("  sluice cancel mail 0193e5c1-0000-7000-8000-000000000001\n"
               "  sluice cancel mail --label run=42\n"));
  cancel->callback([&draft] {
    draft.mistake = read_labels(draft.cancel_labels, draft.cancel.labels);
    const CancelCommand& command = draft.cancel;
    if (command.id.empty() && draft.cancel_labels.empty() && command.state.empty() &&
        command.created_before.empty()) {
      draft.mistake = "cancel: an ID, --label, --state or --created-before says which jobs";
    }
    draft.options.command = command;
  });

  CLI::App* run = app.add_subcommand("run", "Let a job that waits for its time run now");
  run->add_option("QUEUE", draft.run.queue, "Name of the queue")->required();
  run->add_option("ID", draft.run.id, "Id of the job")->required();
  choose(run, draft, draft.run);

  CLI::App* reschedule = app.add_subcommand("reschedule", "Let a waiting job run at another time");
  RescheduleCommand& move = draft.reschedule;
  reschedule->add_option("QUEUE", move.queue, "Name of the queue")->required();
  reschedule->add_option("ID", move.id, "Id of the job")->required();
  CLI::Option_group* when = reschedule->add_option_group("when");
  when->add_option("--run-at", move.run_at, "At this time")->check(kMoment);
  when->add_option("--delay", move.delay_seconds, "So many seconds from now")
      ->check(CLI::Range(0, kSecondsMax));
  when->require_option(1);
  reschedule->footer(examples("  sluice reschedule mail 0193… --delay 3600\n"));
  choose(reschedule, draft, draft.reschedule);

  CLI::App* pause = app.add_subcommand("pause", "Stop taking jobs, starting jobs, or both");
  pause->add_option("QUEUE", draft.pause.queue, "Name of the queue")->required();
  pause->add_flag("--enqueue", draft.pause.enqueue, "Take no jobs");
  pause->add_flag("--dispatch", draft.pause.dispatch, "Start no jobs; running ones go on");
  pause->footer(examples("  sluice pause mail --dispatch\n"));
  choose(pause, draft, draft.pause);

  CLI::App* resume = app.add_subcommand("resume", "Undo pause");
  resume->add_option("QUEUE", draft.resume.queue, "Name of the queue")->required();
  choose(resume, draft, draft.resume);
}

void add_resource_commands(CLI::App& app, Draft& draft) {
  CLI::App* scale =
      app.add_subcommand("scale", "Pin the number of workers, or give it back with auto");
  scale->add_option("QUEUE", draft.scale.queue, "Name of the queue")->required();
  scale->add_option("REPLICAS", draft.replicas, "A number, or auto")->required();
  scale->footer(examples("  sluice scale mail 5\n  sluice scale mail auto\n"));
  scale->callback([&draft] {
    draft.mistake = read_replicas(draft.replicas, draft.scale);
    draft.options.command = draft.scale;
  });

  CLI::App* trigger = app.add_subcommand("trigger", "Fire a schedule once, now");
  trigger->add_option("SCHEDULE", draft.trigger.schedule, "Name of the schedule")->required();
  trigger->footer(examples("  sluice trigger nightly-report\n"));
  choose(trigger, draft, draft.trigger);
}

void add_access(CLI::App& app, Draft& draft) {
  Access& access = draft.options.access;
  app.add_option("--server", access.server,
                 "Where the broker answers (default " + std::string(kDefaultServer) +
                     "; on a cluster a port forward is made)")
      ->envname("SLUICE_SERVER");
  app.add_option("--ca-file", access.ca_file, "PEM authorities of an https server")
      ->envname("SLUICE_CA_FILE");
  app.add_option("--token-file", access.token_file, "Bearer token to show the server")
      ->envname("SLUICE_TOKEN_FILE");
  CLI::Option* kubeconfig =
      app.add_option("--kubeconfig", access.cluster.kubeconfig, "Work on the cluster of this file");
  CLI::Option* context =
      app.add_option("--context", access.cluster.context, "Work on the cluster of this context");
  app.add_option("--release-namespace", access.cluster.release_namespace,
                 "Namespace Sluice is installed in")
      ->capture_default_str();
  app.add_option("--service-account", access.cluster.service_account,
                 "Service account, in the namespace, whose token the broker is shown")
      ->capture_default_str();
  app.parse_complete_callback([&draft, kubeconfig, context] {
    if (*kubeconfig || *context) draft.options.access.in_cluster = true;
  });
}

// "sluice enqueue", of the command that was being parsed.
std::string command_of(const CLI::App& app) {
  std::string name = app.get_name();
  const auto chosen = app.get_subcommands();
  return chosen.empty() ? name : name + ' ' + command_of(*chosen.front());
}

// What the parser found wrong, and the words it could make nothing of: they are the likely cause.
std::string mistake_in(const CLI::App& app, const CLI::Error& error) {
  std::string mistake = error.what();
  for (const std::string& word : app.remaining(/*recurse=*/true)) {
    if (mistake.find(word) == std::string::npos) mistake += "; \"" + word + "\" is not known";
  }
  return mistake;
}

ParseEnd usage_error(const CLI::App& app, const std::string& mistake) {
  return {ExitCode::kUsage, "sluice: " + mistake + "; see `" + command_of(app) + " --help`\n"};
}

}  // namespace

std::variant<Options, ParseEnd> parse_options(std::vector<std::string> arguments) {
  Draft draft;
  CLI::App app(kAbout, "sluice");
  app.footer(kFooter);
  app.require_subcommand(1);
  app.fallthrough();
  app.get_formatter()->column_width(34);
  app.set_version_flag("--version", "sluice 0.1.0");
  add_access(app, draft);
  app.add_option("-n,--namespace", draft.options.namespace_name,
                 "Namespace of queues and jobs (default: default, or the context's)");
  app.add_option("-o,--output", draft.output, "How to print")
      ->type_name("table|json|yaml")
      ->check(kFormat);
  add_dev(app, draft);
  EnqueueDraft enqueue{draft.options.command, draft.mistake, kGlobal};
  add_enqueue(app, enqueue);
  add_get(app, draft);
  add_queue_commands(app, draft);
  add_dead(app, draft);
  add_resource_commands(app, draft);
  TransferDraft transfer{draft.options.command, draft.mistake, kGlobal};
  add_transfer_commands(app, transfer);

  // The parser takes its arguments from the back.
  if (!arguments.empty()) {
    draft.options.access.in_cluster = arguments.front().ends_with("kubectl-sluice");
    arguments.erase(arguments.begin());
  }
  std::reverse(arguments.begin(), arguments.end());
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::Success& help) {
    std::ostringstream text;
    std::ostringstream unused;
    app.exit(help, text, unused);
    return ParseEnd{ExitCode::kOk, text.str()};
  } catch (const CLI::Error& error) {
    return usage_error(app, mistake_in(app, error));
  }
  draft.options.output = *format_of(draft.output);
  if (!draft.mistake.empty()) return usage_error(app, draft.mistake);
  return draft.options;
}

}  // namespace sluice::cli
