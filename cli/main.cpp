// `sluice`: the command line, and local mode.
#include <poll.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <random>
#include <string>
#include <variant>
#include <vector>

#include "cli/cluster/cluster.h"
#include "cli/cluster/port_forward.h"
#include "cli/commands.h"
#include "cli/local/dev.h"
#include "common/base/clock.h"
#include "common/http/client.h"

namespace sluice::cli {
namespace {

// Unique among all invocations anywhere, which is what an idempotency key must be.
std::string fresh_key(std::random_device& entropy) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string key = "cli-";
  for (int i = 0; i < 4; ++i) {
    for (std::uint32_t bits = entropy(), nibble = 0; nibble < 8; ++nibble, bits >>= 4) {
      key += kDigits[bits & 15];
    }
  }
  return key;
}

void wait(Duration d) {
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(d).count();
  ::poll(nullptr, 0, static_cast<int>(ms));
}

std::string to_string(const http::Url& url) {
  return url.scheme + "://" + url.host + ":" + url.port + url.base_path;
}

// Commands on declared resources and local mode speak to no broker.
template <typename T>
constexpr bool needs_server = !std::is_same_v<T, DevCommand> && !std::is_same_v<T, ScaleCommand> &&
                              !std::is_same_v<T, TriggerCommand>;

std::string default_kubeconfig() {
  if (const char* paths = std::getenv("KUBECONFIG"); paths != nullptr && *paths != '\0') {
    return paths;
  }
  const char* home = std::getenv("HOME");
  return std::string(home == nullptr ? "" : home) + "/.kube/config";
}

ExitCode run_on_server(const Options& options, const BrokerAccess& access) {
  HttpTransport transport(access.url, access.options);
  ServerClient server(transport, options.namespace_name);
  const Console console{.out = std::cout,
                        .err = std::cerr,
                        .in_fd = STDIN_FILENO,
                        .in_is_terminal = ::isatty(STDIN_FILENO) == 1,
                        .out_is_terminal = ::isatty(STDOUT_FILENO) == 1,
                        .err_is_terminal = ::isatty(STDERR_FILENO) == 1};
  const SystemClock clock;
  std::random_device entropy;
  const Context context{.options = options,
                        .server = server,
                        .server_url = to_string(access.url),
                        .console = console,
                        .clock = clock,
                        .wait = wait,
                        .fresh_key = fresh_key(entropy),
                        .jitter_seed = entropy()};
  return std::visit(
      [&](const auto& command) {
        if constexpr (needs_server<std::decay_t<decltype(command)>>) {
          return run(context, command);
        } else {
          return ExitCode::kUsage;  // run without a server
        }
      },
      options.command);
}

ExitCode complain(const Error& error) {
  std::cerr << "sluice: " << error.message << '\n';
  return error.code == ErrorCode::kUnavailable || error.code == ErrorCode::kDeadlineExceeded
             ? ExitCode::kUnreachable
             : ExitCode::kFailed;
}

ExitCode run_on_cluster(Options options, const std::optional<http::Url>& server) {
  auto& kubeconfig = options.access.cluster.kubeconfig;
  if (kubeconfig.empty()) kubeconfig = default_kubeconfig();
  const SystemClock clock;
  auto cluster = Cluster::connect(options.access.cluster, clock);
  if (!cluster) {
    Error error = cluster.error();
    error.message = "this needs a cluster (KUBECONFIG, --kubeconfig, --context): " + error.message;
    return complain(error);
  }
  if (options.namespace_name.empty()) options.namespace_name = cluster->default_namespace();

  const std::string& name_space = options.namespace_name;
  if (const auto* scale = std::get_if<ScaleCommand>(&options.command)) {
    const Status done = cluster->scale(name_space, scale->queue, scale->replicas);
    if (!done) return complain(done.error());
    std::cout << "queue " << scale->queue
              << (scale->replicas ? " pinned at " + std::to_string(*scale->replicas) +
                                        (*scale->replicas == 1 ? " worker" : " workers")
                                  : std::string(" scales by its backlog again"))
              << '\n';
    return ExitCode::kOk;
  }
  if (const auto* trigger = std::get_if<TriggerCommand>(&options.command)) {
    std::random_device entropy;
    const Status done = cluster->trigger(name_space, trigger->schedule, fresh_key(entropy));
    if (!done) return complain(done.error());
    std::cout << "schedule " << trigger->schedule << " triggered\n";
    return ExitCode::kOk;
  }
  if (const auto* get = std::get_if<GetResourcesCommand>(&options.command)) {
    const bool jobs = get->what == GetResourcesCommand::What::kJobs;
    std::cerr << "sluice: on a cluster `kubectl get " << (jobs ? "sj" : "ss") << " -n "
              << name_space << "` shows them\n";
    return ExitCode::kUsage;
  }
  const auto access = cluster->reach_broker(name_space, server);
  if (!access) return complain(access.error());
  return run_on_server(options, *access);
}

ExitCode run_remote(Options options) {
  std::optional<http::Url> server;
  const Access& access = options.access;
  if (!access.server.empty() || !access.in_cluster) {
    const std::string text = access.server.empty() ? kDefaultServer : access.server;
    auto url = http::parse_url(text);
    if (!url) {
      std::cerr << "sluice: --server " << text << ": " << url.error().message << '\n';
      return ExitCode::kUsage;
    }
    server = *std::move(url);
  }
  const bool of_resources = std::holds_alternative<ScaleCommand>(options.command) ||
                            std::holds_alternative<TriggerCommand>(options.command);
  if (access.in_cluster || of_resources) return run_on_cluster(std::move(options), server);

  if (options.namespace_name.empty()) options.namespace_name = "default";
  BrokerAccess direct;
  direct.url = *std::move(server);
  direct.options = {.ca_file = access.ca_file, .token_file = access.token_file};
  return run_on_server(options, direct);
}

int run_local(const Options& options, const DevCommand& dev) {
  return local::run_dev(
      {.folder = dev.folder,
       .data_folder = dev.data_folder,
       .listen = dev.listen,
       .until_idle = dev.until_idle,
       .default_namespace = options.namespace_name.empty() ? "default" : options.namespace_name,
       .color = std::getenv("NO_COLOR") == nullptr});
}

// What was not written was not done: a script must not take half an answer for the whole.
int end_with(ExitCode code) {
  if (std::cout.flush() || code != ExitCode::kOk) return static_cast<int>(code);
  std::cerr << "sluice: cannot write to standard output\n";
  return static_cast<int>(ExitCode::kFailed);
}

int main_of(std::vector<std::string> arguments) {
  const auto parsed = parse_options(std::move(arguments));
  if (const auto* end = std::get_if<ParseEnd>(&parsed)) {
    (end->code == ExitCode::kOk ? std::cout : std::cerr) << end->text;
    return end_with(end->code);
  }
  const auto& options = std::get<Options>(parsed);
  if (const auto* dev = std::get_if<DevCommand>(&options.command)) return run_local(options, *dev);
  return end_with(run_remote(options));
}

}  // namespace
}  // namespace sluice::cli

int main(int argc, char** argv) {
  return sluice::cli::main_of(std::vector<std::string>(argv, argv + argc));
}
