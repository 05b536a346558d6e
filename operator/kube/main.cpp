// sluice-operator: builds the real clock, clients and threads, and puts the operator together.
#include <malloc.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "operator/controller/controller.h"
#include "operator/controller/http_broker_api.h"
#include "operator/controller/kube_pod.h"
#include "operator/kube/certificate_keeper.h"
#include "operator/kube/kube_config.h"
#include "operator/kube/kube_events.h"
#include "operator/kube/kube_object_store.h"
#include "operator/kube/leader_lock.h"
#include "operator/kube/metrics.h"
#include "operator/kube/operator_server.h"
#include "operator/kube/options.h"
#include "operator/kube/pause.h"
#include "operator/kube/rest_client.h"
#include "operator/plan/stable_hash.h"

namespace sluice::kube {
namespace {

constexpr const char* kUserAgent = "sluice-operator/0.1";
constexpr int kInjectedVersionLength = 10;
// Each watch has a thread, and would leave a heap of its own behind it after a long list.
constexpr int kArenasMax = 2;
constexpr Duration kGaugePeriod = std::chrono::seconds{1};

int fail(const char* what, const Error& error) {
  log_error(what, {{"error", error.message}, {"code", to_string(error.code)}});
  return 1;
}

std::string variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

Result<KubeConfig> load_config(const OperatorOptions& options) {
  if (!options.kubeconfig.empty()) return load_kubeconfig(options.kubeconfig, options.context);
  const std::string host = variable("KUBERNETES_SERVICE_HOST");
  if (!host.empty() && options.context.empty()) {
    return load_in_cluster(host, variable("KUBERNETES_SERVICE_PORT"), kServiceAccountFolder);
  }
  const std::string paths = variable("KUBECONFIG");
  return load_kubeconfig(paths.empty() ? variable("HOME") + "/.kube/config" : paths,
                         options.context);
}

// Who this process is among the operators.
struct Identity {
  std::string name;
  std::uint64_t seed = 0;
};

Identity make_identity() {
  std::random_device entropy;
  const std::uint64_t seed = (std::uint64_t{entropy()} << 32) | entropy();
  char host[256] = {};
  if (gethostname(host, sizeof host - 1) != 0) host[0] = 0;
  return {std::string(host) + "_" + op::StableHash().add(std::to_string(seed)).text(12), seed};
}

// Blocked before any thread starts, so that only the one that waits for them sees them.
sigset_t block_stop_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return signals;
}

// The clients, one for each part that cancels its own.
struct Clients {
  std::unique_ptr<ApiClient> lock;
  std::unique_ptr<ApiClient> calls;
  std::unique_ptr<ApiClient> events;
};

Result<Clients> make_clients(const KubeConfig& config, const RestClientSettings& settings) {
  Clients clients;
  for (auto* client : {&clients.lock, &clients.calls, &clients.events}) {
    auto made = make_rest_client(config, settings);
    if (!made) return made.error();
    *client = *std::move(made);
  }
  return clients;
}

// What only the leader runs.
class Leader {
 public:
  Leader(const OperatorOptions& options, const Clock& clock, Clients& clients,
         KubeObjectStore::MakeClient make_client, const Identity& identity, Metrics& metrics)
      : is_tls_(options.broker.scheme == "https"),
        store_(*clients.calls, std::move(make_client), clock,
               store_options(options, identity.seed)),
        certificates_(*clients.calls, store_, clock,
                      {.namespace_name = options.namespace_name,
                       .tls_service = options.tls_service,
                       .ca_file = options.broker_ca_file}),
        broker_(options.broker,
                {.ca_file = certificates_.ca_path().empty() ? options.broker_ca_file
                                                            : certificates_.ca_path(),
                 .token_file = options.broker_token_file},
                options.watch_namespaces),
        pods_({.worker_image = options.worker_image,
               .broker_url = options.broker_url,
               .tls = is_tls_}),
        events_(*clients.events, clock, {.instance = identity.name, .seed = identity.seed}),
        controller_(store_, broker_, pods_, events_, clock,
                    controller_options(options, identity.seed, metrics.reconciles())) {}

  void start() {
    if (is_tls_) certificates_.start();
    controller_.start();
  }
  void stop() {
    store_.stop();
    controller_.stop();
    certificates_.stop();
  }
  bool broker_reachable() const { return controller_.broker_reachable(); }
  op::WorkQueue::Figures work_queue() const { return controller_.work_queue(); }

 private:
  static KubeStoreOptions store_options(const OperatorOptions& options, std::uint64_t seed) {
    return {.namespaces = options.watch_namespaces,
            .calls = {.jitter_seed = seed},
            .watch = {.jitter_seed = seed}};
  }
  // The image names the worker's version: another one changes the template hash.
  static op::ControllerOptions controller_options(const OperatorOptions& options,
                                                  std::uint64_t seed,
                                                  op::ReconcileObserver& observer) {
    return {
        .threads = options.threads,
        .jitter_seed = seed,
        .injected_version = op::StableHash().add(options.worker_image).text(kInjectedVersionLength),
        .observer = &observer,
        .first_contact_max = std::chrono::seconds{2}};
  }

  const bool is_tls_;
  KubeObjectStore store_;
  CertificateKeeper certificates_;
  op::HttpBrokerApi broker_;
  op::KubePodBuilder pods_;
  KubeEvents events_;
  op::Controller controller_;
};

// Waits for the signal to stop, beside whatever main does.
class StopSignal {
 public:
  StopSignal(const sigset_t& signals, std::function<void()> on_stop)
      : thread_([this, signals, on_stop = std::move(on_stop)] {
          int received = 0;
          sigwait(&signals, &received);
          if (is_over_) return;
          log_info("operator stopping", {{"signal", received}});
          on_stop();
        }) {}
  ~StopSignal() {
    is_over_ = true;
    pthread_kill(thread_.native_handle(), SIGTERM);  // out of sigwait
    thread_.join();
  }
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

 private:
  std::atomic<bool> is_over_{false};
  std::thread thread_;
};

// Leads until `stopped` ends.
void lead(const OperatorOptions& options, const KubeConfig& config,
          const RestClientSettings& settings, Clients& clients, Metrics& metrics,
          const Identity& identity, Pause& stopped) {
  const auto make_client = [&] {
    auto client = make_rest_client(config, settings);
    if (!client) {
      // The same files were good when this process started; the next one tells what is wrong.
      fail("cannot make a client of the API server", client.error());
      std::_Exit(1);
    }
    return *std::move(client);
  };
  Leader leader(options, settings.clock, clients, make_client, identity, metrics);
  leader.start();
  metrics.set_leader(true);
  while (stopped.wait(kGaugePeriod)) {
    metrics.set_broker_reachable(leader.broker_reachable());
    metrics.set_work_queue(leader.work_queue());
  }
  leader.stop();
}

int run(OperatorOptions options) {
  mallopt(M_ARENA_MAX, kArenasMax);
  const sigset_t signals = block_stop_signals();
  const SystemClock clock;
  Metrics metrics;
  const auto config = load_config(options);
  if (!config) return fail("no configuration of a cluster", config.error());
  if (options.namespace_name.empty()) options.namespace_name = config->name_space;
  const RestClientSettings settings{kUserAgent, clock, &metrics.api_calls()};
  auto clients = make_clients(*config, settings);
  if (!clients) return fail("cannot make a client of the API server", clients.error());

  const Identity identity = make_identity();
  Pause stopped;
  LeaderLock lock(*clients->lock, clock,
                  {.namespace_name = options.namespace_name,
                   .identity = identity.name,
                   .jitter_seed = identity.seed},
                  [] { std::_Exit(1); });  // nothing of this process may act any more
  const StopSignal on_signal(signals, [&] {
    stopped.end();
    lock.stop();
  });
  const auto server =
      OperatorServer::start(options.listen_address, options.listen_port,
                            {.metrics = [&metrics] { return metrics.render(); },
                             .is_ready = [&stopped] { return !stopped.is_ended(); }});
  if (!server) return fail("cannot serve", server.error());
  log_info("operator started", {{"port", (*server)->port()}, {"identity", identity.name}});
  std::puts("ready");
  std::fflush(stdout);

  if (options.is_leader_elect && !lock.acquire()) return 0;
  lead(options, *config, settings, *clients, metrics, identity, stopped);
  lock.release();
  log_info("operator stopped");
  return 0;
}

}  // namespace
}  // namespace sluice::kube

int main(int argc, char** argv) {
  const auto parsed = sluice::kube::parse_options(argc, argv);
  if (!parsed.options) return parsed.exit_status;
  sluice::init_logging("sluice-operator", parsed.options->log_level, parsed.options->log_format);
  return sluice::kube::run(*parsed.options);
}
