#include "worker/options.h"

#include <algorithm>
#include <utility>

#include <CLI/CLI.hpp>

#include "common/api/decode.h"
#include "common/api/limits.h"

namespace sluice::worker {
namespace {

constexpr const char* kAbout =
    "Runs COMMAND for each job of a Sluice queue. The job's payload is its standard input, its\n"
    "standard output is the result, exit status 0 is success. Descriptor 4 has the results of the\n"
    "jobs it depends on, descriptor 5 takes jobs to enqueue when it succeeds, one a line. With\n"
    "--http-port it posts each job to a server on this machine instead. Prints \"ready\" once it "
    "works, and \"not ready: WHY\" "
    "when\n"
    "COMMAND cannot be started any more.\n"
    "Exit status 2: a wrong option; 78: COMMAND cannot be started.\n\n"
    "In pods also: sluice-worker install PATH | ready SOCKET | pre-stop SOCKET";

std::string check_url(const std::string& text) {
  const auto url = http::parse_url(text);
  return url ? std::string{} : url.error().message;
}

std::string check_path(const std::string& text) {
  const bool is_printable =
      std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
  return text.starts_with('/') && is_printable ? std::string{}
                                               : "must begin with / and hold no blanks";
}

constexpr std::size_t kWorkerNameMax = 253;  // the broker's bound
constexpr int kUsage = 2;
constexpr const char* kPayloadAndParents = "payload-and-parents";

// What the broker would refuse as often as it is asked.
std::string check_queue(const std::string& text) {
  return api::is_dns_label(text, api::kQueueNameMax)
             ? std::string{}
             : '"' + text +
                   "\" is no name of a queue: at most 52 of a-z, 0-9 and -, and no - at either end";
}

std::string check_namespace(const std::string& text) {
  return api::is_dns_label(text, api::kNamespaceMax)
             ? std::string{}
             : '"' + text +
                   "\" is no name of a namespace: at most 63 of a-z, 0-9 and -, and no - at either "
                   "end";
}

std::string check_worker(const std::string& text) {
  return !text.empty() && text.size() <= kWorkerNameMax ? std::string{}
                                                        : "must have 1 to 253 bytes";
}

void declare_broker(CLI::App& app, Options& options, std::string& broker) {
  app.add_option(
         "--broker", broker,
         "The broker, as http://HOST:PORT or https://HOST:PORT, with a path where it has one")
      ->required()
      ->envname("SLUICE_WORKER_BROKER")
      ->type_name("URL")
      ->check(CLI::Validator(check_url, "", "URL"));
  app.add_option("--ca-file", options.access.ca_file,
                 "PEM certificates to trust for https, read again when they change")
      ->envname("SLUICE_WORKER_CA_FILE")
      ->type_name("FILE");
  app.add_option("--token-file", options.access.token_file,
                 "A bearer token for the broker, read again when it changes")
      ->envname("SLUICE_WORKER_TOKEN_FILE")
      ->type_name("FILE");
  app.add_option("--namespace", options.namespace_name, "The queue's namespace")
      ->envname("SLUICE_WORKER_NAMESPACE")
      ->check(CLI::Validator(check_namespace, "", "NAME"))
      ->capture_default_str();
  app.add_option("--queue", options.queue, "The queue whose jobs to run")
      ->required()
      ->envname("SLUICE_WORKER_QUEUE")
      ->check(CLI::Validator(check_queue, "", "NAME"));
  app.add_option("--name", options.name, "This worker's name, unique within the queue")
      ->required()
      ->envname("SLUICE_WORKER_NAME")
      ->check(CLI::Validator(check_worker, "", "NAME"));
  app.add_option("--instance", options.instance,
                 "Tells this process from an earlier one of the same name (a pod's UID)")
      ->envname("SLUICE_WORKER_INSTANCE");
}

void declare_handler(CLI::App& app, Options& options, std::string& http_body) {
  app.add_option("--http-port", options.http_port, "Post each job to this port of 127.0.0.1")
      ->envname("SLUICE_WORKER_HTTP_PORT")
      ->check(CLI::Range(1, 65'535));
  app.add_option("--http-path", options.http_path, "The path to post to")
      ->envname("SLUICE_WORKER_HTTP_PATH")
      ->check(CLI::Validator(check_path, "", "PATH"))
      ->capture_default_str();
  app.add_option("--http-body", http_body,
                 "What to post: payload, or payload-and-parents, an object of the payload and the "
                 "results of the jobs it depends on")
      ->envname("SLUICE_WORKER_HTTP_BODY")
      ->check(CLI::IsMember({"payload", kPayloadAndParents}))
      ->capture_default_str();
  app.add_option("COMMAND", options.command, "The handler and its arguments, after --")
      ->type_name("");
}

void declare_work(CLI::App& app, Options& options, std::string& log_format) {
  app.add_option("--concurrency", options.concurrency, "Jobs to run at once")
      ->envname("SLUICE_WORKER_CONCURRENCY")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--max-jobs", options.max_jobs, "Exit after so many jobs; 0: never")
      ->envname("SLUICE_WORKER_MAX_JOBS")
      ->check(CLI::Range(0L, 1'000'000'000L))
      ->capture_default_str();
  app.add_option("--grace-seconds", options.grace_seconds,
                 "From SIGTERM to exit; handlers get SIGTERM 10 s and SIGKILL 5 s before its end")
      ->envname("SLUICE_WORKER_GRACE_SECONDS")
      ->check(CLI::Range(1, 86'400))
      ->capture_default_str();
  app.add_option("--max-result-bytes", options.max_result_bytes, "The largest result of a job")
      ->envname("SLUICE_WORKER_MAX_RESULT_BYTES")
      ->check(CLI::Range(1, 1024 * 1024))
      ->capture_default_str();
  app.add_option("--log-format", log_format, "text or json, on standard error")
      ->envname("SLUICE_WORKER_LOG_FORMAT")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  app.add_flag("--exit-with-parent", options.exit_with_parent,
               "Stop, as by SIGTERM, when the process that started this one ends")
      ->envname("SLUICE_WORKER_EXIT_WITH_PARENT");
  app.add_option("--socket", options.socket, "Where `ready` and `pre-stop` reach this worker")
      ->envname("SLUICE_WORKER_SOCKET")
      ->type_name("PATH");
}

}  // namespace

ParsedOptions parse_options(int argc, char** argv) {
  Options options;
  std::string broker;
  std::string log_format = "text";
  std::string http_body = "payload";
  CLI::App app{kAbout, "sluice-worker"};
  app.positionals_at_end();
  declare_broker(app, options, broker);
  declare_handler(app, options, http_body);
  declare_work(app, options, log_format);
  try {
    app.parse(argc, argv);
    if (options.command.empty() == (options.http_port == 0)) {
      throw CLI::ValidationError("give either a COMMAND after -- or --http-port");
    }
  } catch (const CLI::ParseError& error) {
    return {.options = {}, .exit_status = app.exit(error) == 0 ? 0 : kUsage};
  }
  options.broker = *http::parse_url(broker);
  options.http_posts_parents = http_body == kPayloadAndParents;
  options.log_format = log_format == "json" ? LogFormat::kJson : LogFormat::kText;
  return {.options = std::move(options)};
}

}  // namespace sluice::worker
