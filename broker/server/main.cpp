// sluice-broker: builds the real clock, disk and sockets, and puts the broker together.
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <random>

#include "broker/engine/engine.h"
#include "broker/server/options.h"
#include "broker/server/server.h"
#include "broker/storage/restore.h"
#include "broker/storage/rocksdb_engine.h"

// jemalloc reads this at start. Few arenas and a short decay: what a burst of requests or a memory
// table took goes back to the system within seconds.
extern "C" {
extern const char* malloc_conf;
const char* malloc_conf = "background_thread:true,narenas:2,dirty_decay_ms:2000,muzzy_decay_ms:0";
}

namespace sluice::broker {
namespace {

constexpr int kUsage = 2;  // as for the options: no restart helps

int fail(const char* what, const Error& error) {
  log_error(what, {{"error", error.message}, {"code", to_string(error.code)}});
  return 1;
}

// Brings the engine to where the last process left off, and writes what that changed.
Status load(Store& store, Engine& engine, const Clock& clock) {
  if (auto loaded = store.load(engine.loader()); !loaded) return loaded;
  const auto batch = store.begin_batch();
  if (auto finished = engine.finish_load(clock.now(), batch->sink()); !finished) return finished;
  if (batch->empty()) return Ok{};
  return store.commit(*batch, true);
}

void print_listening(const ServerOptions& options, std::uint16_t port) {
  const bool is_v6 = options.address.find(':') != std::string::npos;
  std::printf("listening on %s://%s%s%s:%u\n", options.tls ? "https" : "http", is_v6 ? "[" : "",
              options.address.c_str(), is_v6 ? "]" : "", static_cast<unsigned>(port));
  std::fflush(stdout);
}

// Where a pod finds the Kubernetes API: by its address, which needs no DNS.
std::string api_of_cluster() {
  const char* host = getenv("KUBERNETES_SERVICE_HOST");
  const char* port = getenv("KUBERNETES_SERVICE_PORT");
  if (host == nullptr || port == nullptr) return {};
  const bool is_v6 = std::string_view(host).find(':') != std::string_view::npos;
  return std::string("https://") + (is_v6 ? "[" : "") + host + (is_v6 ? "]:" : ":") + port;
}

Result<ServerOptions> server_options(const BrokerOptions& options) {
  ServerOptions server = options.server;
  if (!options.asks_kubernetes) return server;
  const std::string api =
      options.kubernetes_api.empty() ? api_of_cluster() : options.kubernetes_api;
  if (api.empty()) {
    return Error{ErrorCode::kInvalidArgument,
                 "--auth kubernetes needs --kubernetes-api outside of a cluster"};
  }
  auto url = http::parse_url(api);
  if (!url) return std::move(url).error();
  server.access =
      ReviewOptions{*std::move(url), options.kubernetes_ca_file, options.kubernetes_token_file};
  return server;
}

// Blocked before any thread starts, so that only wait_for_signal() sees them.
sigset_t block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return signals;
}

int run(const BrokerOptions& options) {
  const sigset_t signals = block_signals();
  const pid_t parent = getppid();
  if (options.exit_with_parent) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) return 0;  // it ended before we asked
  }

  const auto wanted = server_options(options);
  if (!wanted) return fail("cannot serve", wanted.error());
  const SystemClock clock;
  auto disk = open_rocksdb(options.data, {.clock = clock});
  if (!disk) return fail("cannot open the data folder", disk.error());
  auto store = Store::open(*std::move(disk));
  if (!store) return fail("cannot open the data folder", store.error());
  Engine engine((*store)->boot(), std::random_device{}());
  engine.limit_namespaces(options.namespace_limits);
  if (auto loaded = load(**store, engine, clock); !loaded) {
    return fail("cannot load the jobs", loaded.error());
  }
  Server server(engine, **store, clock, *wanted);
  if (auto started = server.start(); !started) {
    if (started.error().field != Server::kListenField) return fail("cannot serve", started.error());
    std::fprintf(stderr, "sluice-broker: %s\n", started.error().message.c_str());
    return kUsage;
  }
  print_listening(*wanted, server.port());
  log_info("broker started", {{"port", server.port()}, {"boot", (*store)->boot()}});

  int received = 0;
  sigwait(&signals, &received);
  log_info("broker stopping", {{"signal", received}});
  server.stop();
  log_info("broker stopped");
  return 0;
}

int restore(int argc, char** argv) {
  const auto parsed = parse_restore_options(argc, argv);
  if (const auto* exit_now = std::get_if<ExitNow>(&parsed)) return exit_now->status;
  const auto& options = std::get<RestoreOptions>(parsed);
  const auto restored =
      restore_backup(options.backup, options.data, std::random_device{}(), SystemClock{});
  if (!restored) {
    std::fprintf(stderr, "sluice-broker: cannot restore: %s\n", restored.error().message.c_str());
    return 1;
  }
  std::printf("restored %s, of %s, into %s: %llu bytes\n", options.backup.c_str(),
              format_rfc3339(restored->created_at).c_str(), options.data.c_str(),
              static_cast<unsigned long long>(restored->bytes));
  return 0;
}

}  // namespace
}  // namespace sluice::broker

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "restore") {
    return sluice::broker::restore(argc - 1, argv + 1);
  }
  const auto parsed = sluice::broker::parse_options(argc, argv);
  if (const auto* exit_now = std::get_if<sluice::broker::ExitNow>(&parsed)) return exit_now->status;
  const auto& options = std::get<sluice::broker::BrokerOptions>(parsed);
  sluice::init_logging("sluice-broker", options.log_level, options.log_format);
  return sluice::broker::run(options);
}
