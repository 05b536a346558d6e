#include "cli/options_enqueue.h"

#include <CLI/CLI.hpp>

#include "cli/option_values.h"
#include "common/api/limits.h"

namespace sluice::cli {
namespace {

constexpr int kSecondsMax = 10 * 366 * 24 * 3600;  // ten years, as the broker bounds every duration

const CLI::Validator kMoment([](std::string& text) { return mistake_in_moment(text); }, "TIME",
                             "moment");

std::string mistake_in(const EnqueueCommand& command) {
  if (command.payload) {
    if (command.envelope) return "--envelope is for --file: its lines are whole jobs";
    if (!command.resume_key.empty()) return "--resume-key is for --file";
    if (command.group.wanted) return "--group is for --file: many jobs are one group";
    return {};
  }
  if (!command.idempotency_key.empty()) {
    return "--idempotency-key names one job; for many use --resume-key PREFIX";
  }
  if (command.envelope && !command.fields.is_empty()) {
    return "--envelope: lines carry their own priority, delay, labels…; leave these flags out";
  }
  return {};
}

}  // namespace

void add_enqueue(CLI::App& app, EnqueueDraft& draft) {
  CLI::App* sub = app.add_subcommand("enqueue", "Put one job, or a stream of jobs, into a queue");
  EnqueueCommand& command = draft.enqueue;
  JobFields& fields = command.fields;
  sub->add_option("QUEUE", command.queue, "Name of the queue")->required();
  CLI::Option* payload = sub->add_option("JSON", draft.payload, "Payload of the one job");
  CLI::Option* file = sub->add_option("-f,--file", command.file,
                                      "NDJSON file, one payload a line; - is standard input");
  file->excludes(payload);
  sub->add_flag("--envelope", command.envelope,
                R"(Lines are whole jobs: {"payload":…,"priority":…})");
  sub->add_option("--priority", fields.priority, "0 to 9, higher first (default 5)")
      ->check(CLI::Range(0, 9));
  CLI::Option* delay =
      sub->add_option("--delay", fields.delay_seconds, "Seconds until it may start")
          ->check(CLI::Range(0, kSecondsMax));
  sub->add_option("--run-at", fields.run_at, "Time before which it does not start")
      ->check(kMoment)
      ->excludes(delay);
  sub->add_option("--expires-at", fields.expires_at, "Dead if not started by then")->check(kMoment);
  CLI::Option* parents = sub->add_option("--depends-on", fields.depends_on,
                                         "Id of a job that must have succeeded; may be repeated");
  parents->expected(1)->allow_extra_args(false)->take_all();
  sub->add_flag("--run-on-parent-failure", fields.run_on_parent_failure,
                "Run also when one of these is dead or cancelled")
      ->needs(parents);
  sub->add_option("--timeout", fields.timeout_seconds, "Seconds a run may take")
      ->check(CLI::Range(1, api::kTimeoutSecondsMax));
  sub->add_option("--tenant", fields.tenant, "On whose turn it starts: tenants take turns");
  sub->add_option("--key", fields.key, "Jobs of one key start in order where perKey is 1");
  CLI::Option* unique_key =
      sub->add_option("--unique-key", fields.unique_key,
                      "While a job of this key has not ended, a second one is not made");
  sub->add_flag("--replace", fields.replace, "It takes the place of one that waits under the key")
      ->needs(unique_key);
  CLI::Option* callback = sub->add_option("--callback", fields.callback,
                                          "URL that is told, by a POST, how the job has ended");
  sub->add_option("--callback-secret", fields.callback_secret,
                  "Name of the secret that signs it, one that the broker has")
      ->needs(callback);
  sub->add_option("-l,--label", draft.labels, "NAME=VALUE; may be repeated")
      ->type_name("NAME=VALUE")
      ->expected(1)
      ->allow_extra_args(false)
      ->take_all();
  sub->add_option("--idempotency-key", command.idempotency_key,
                  "The same key makes the same job only once (default: a new key)");
  CLI::Option* group =
      sub->add_flag("--group", command.group.wanted,
                    "The jobs of this call are one group: `sluice get group` tells "
                    "how far it is");
  CLI::Option* group_callback =
      sub->add_option("--group-callback", command.group.callback,
                      "URL that is told, by a POST, when all of them have ended")
          ->needs(group);
  sub->add_option("--group-callback-secret", command.group.callback_secret,
                  "Name of the secret that signs it")
      ->needs(group_callback);
  sub->add_option(
      "--resume-key", command.resume_key,
      "Prefix an interrupted bulk call printed: what it enqueued is not enqueued again");
  sub->footer(std::string("\nExamples:\n"
                          "  sluice enqueue mail '{\"to\":\"ann@example.org\"}' --priority 8\n"
                          "  sluice enqueue mail --file jobs.ndjson\n"
                          "  producer | sluice enqueue mail --file - --label run=42\n"
                          "  sluice enqueue mail --file whole.ndjson --envelope\n") +
              draft.footer);
  sub->callback([&draft, payload] {
    if (*payload) draft.enqueue.payload = draft.payload;
    draft.mistake = read_labels(draft.labels, draft.enqueue.fields.labels);
    if (draft.mistake.empty()) draft.mistake = mistake_in(draft.enqueue);
    draft.chosen = draft.enqueue;
  });
}

}  // namespace sluice::cli
