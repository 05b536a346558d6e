#include "cli/local/session.h"

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <utility>

#include "cli/local/idle.h"
#include "common/base/log.h"

namespace sluice::local {

Session::Session(const DevOptions& options, EventLoop& loop, Processes& processes, DataFolder& data,
                 const Clock& clock, View& view, std::uint32_t boot)
    : options_(options),
      loop_(loop),
      processes_(processes),
      data_(data),
      clock_(clock),
      view_(view),
      store_(clock, boot),
      objects_file_(data.objects_file(), store_),
      manifests_(options.default_namespace),
      events_([this](std::string line) {
        loop_.post([this, line = std::move(line)] { view_.complain(line); });
      }) {}

Session::~Session() = default;

Status Session::prepare() {
  if (Status loaded = objects_file_.load(); !loaded) return loaded;
  for (const auto kind :
       {op::ObjectKind::kQueue, op::ObjectKind::kJob, op::ObjectKind::kSchedule}) {
    auto objects = store_.list(kind);
    if (!objects) return std::move(objects).error();
    for (const op::Object& object : *objects) {
      manifests_.adopt(object);
      // What an earlier run said of a queue is not known of this one, which says it anew.
      if (kind == op::ObjectKind::kQueue) {
        if (auto reset = store_.update_status(object.key, "", "{}"); !reset) return reset.error();
      }
    }
  }
  auto files = read_manifest_folder(options_.folder, data_.path());
  if (!files) return std::move(files).error();
  apply(manifests_.update(*files));
  first_files_ = *std::move(files);
  if (Status saved = objects_file_.save(); !saved) return saved;
  return start_broker();
}

Status Session::start_broker() {
  auto log = BoundedLog::open(data_.broker_log(), BrokerProcess::kLogBytesMax);
  if (!log) return std::move(log).error();
  const std::string program =
      (std::filesystem::path(options_.bin_folder) / "sluice-broker").string();
  broker_.emplace(
      loop_, processes_, clock_,
      BrokerCommand{program, options_.listen, data_.broker_folder().string(),
                    data_.backup_folder().string()},
      *std::move(log),
      BrokerProcess::Events{
          .on_listening = [this](const std::string& url) { on_listening(url); },
          .on_died =
              [this](const std::string& message) { view_.complain(message + "; restarting"); },
          .on_given_up = [this](const std::string& message) { on_given_up(message); }});
  broker_->start();
  return Ok{};
}

// The first time everything else begins; after a restart the same address serves again, and the
// others have been trying all along.
void Session::on_listening(const std::string& url) {
  view_.say("listening on " + url);
  if (controller_ || phase_ != Phase::kRunning) return;
  view_.set_title("sluice dev · " + url + " · data in " + options_.data_folder);

  broker_api_ = connect_broker(url);
  pod_builder_.emplace(url);
  pods_.emplace(
      loop_, processes_, store_,
      PodRunnerOptions{
          .worker_program = (std::filesystem::path(options_.bin_folder) / "sluice-worker").string(),
          .manifest_folder = options_.folder,
          .log_folder = data_.worker_logs(),
          .complain = [this](const std::string& line) { view_.complain(line); }});
  pods_->start();
  op::ControllerOptions controller_options;
  // The worker is the one beside us: pods of a run are never older than it.
  controller_options.injected_version = "local";
  controller_options.reconnect_max = std::chrono::seconds{1};
  controller_options.start_backoff_seconds_max = kStartBackoffSecondsMax;
  controller_ = std::make_unique<op::Controller>(store_, *broker_api_, *pod_builder_, events_,
                                                 clock_, controller_options);
  controller_->start();
  feed_ = std::make_unique<FigureFeed>(url, [this](const api::QueueSignal& signal) {
    loop_.post([this, signal] { on_signal(signal); });
  });
  folder_ = std::make_unique<ManifestFolder>(
      options_.folder, data_.path(), std::exchange(first_files_, {}),
      [this](std::vector<ManifestFile> files) {
        loop_.post([this, files = std::move(files)] { on_manifests(files); });
      });
  if (options_.until_idle) {
    idle_watch_ = std::make_unique<IdleWatch>(url, store_, *controller_,
                                              [this] { loop_.post([this] { on_idle(); }); });
  }
}

void Session::on_given_up(const std::string& message) {
  view_.complain("sluice dev: " + message);
  begin_end(1);
}

void Session::on_manifests(const std::vector<ManifestFile>& files) {
  if (phase_ != Phase::kRunning) return;
  apply(manifests_.update(files));
  // At once: a Job whose UID is lost with this process would be another Job after a restart.
  save_objects();
}

void Session::apply(const ManifestChanges& changes) {
  for (const std::string& error : changes.errors) view_.complain(error);
  for (const std::string& line : changes.skipped) view_.say(line);
  for (const op::ObjectKey& key : changes.remove) {
    const auto object = store_.get(key);
    if (!object) continue;
    if (Status removed = store_.remove(key, object->uid); !removed) {
      view_.complain(to_string(key) + ": " + removed.error().message);
      continue;
    }
    view_.say("removed " + to_string(key));
  }
  for (const op::Object& wanted : changes.apply) {
    const auto applied = store_.apply(wanted);
    if (!applied) {
      view_.complain(to_string(wanted.key) + ": " + applied.error().message);
      continue;
    }
    view_.say("applied " + to_string(wanted.key) + " (" +
              wanted.annotations.at(kManifestAnnotation) + ")");
  }
}

void Session::on_signal(const api::QueueSignal& signal) {
  figures_[{signal.namespace_name, signal.queue}] = signal.figures;
}

void Session::on_idle() {
  if (phase_ != Phase::kRunning) return;
  if (const auto jobs = store_.list(op::ObjectKind::kJob)) {
    for (const std::string& line : jobs_not_accepted(*jobs)) view_.complain(line);
  }
  const std::size_t broken = manifests_.broken_files();
  if (broken > 0) {
    view_.complain(std::to_string(broken) + " manifest file(s) were not applied: see above");
  }
  view_.say("idle: nothing is left to do");
  begin_end(broken > 0 ? 1 : 0);
}

void Session::interrupt() {
  if (phase_ == Phase::kRunning) return begin_end(0);
  if (std::exchange(forced_, true)) return;
  exit_status_ = 1;
  if (pods_) pods_->kill();
  if (broker_) broker_->stop(SIGKILL);
}

void Session::begin_end(int exit_status) {
  exit_status_ = std::max(exit_status_, exit_status);
  if (phase_ != Phase::kRunning) return;
  phase_ = Phase::kDraining;
  folder_.reset();
  idle_watch_.reset();
  if (controller_) controller_->stop();
  if (pods_) {
    if (const std::size_t workers = pods_->running(); workers > 0) {
      view_.say("draining " + std::to_string(workers) +
                " worker(s); Ctrl-C again ends them at once");
    }
    pods_->drain();
  }
}

// Each step waits for the one before it.
void Session::advance_end() {
  if (phase_ == Phase::kDraining && (!pods_ || pods_->running() == 0)) {
    phase_ = Phase::kEndingBroker;
    feed_.reset();
    if (broker_) broker_->stop(SIGTERM);
    loop_.after(kBrokerGrace, [this] {
      if (phase_ == Phase::kEndingBroker) broker_->stop(SIGKILL);
    });
  }
  if (phase_ == Phase::kEndingBroker && (!broker_ || !broker_->is_running()))
    phase_ = Phase::kEnded;
}

int Session::run() {
  tick();
  while (phase_ != Phase::kEnded) {
    loop_.run_once(kTickEvery);
    advance_end();
  }
  view_.update(queue_rows(), clock_.now().steady);
  view_.flush();
  if (Status saved = objects_file_.save(); !saved) {
    view_.complain(saved.error().message);
    exit_status_ = 1;
  }
  return exit_status_;
}

void Session::tick() {
  const SteadyPoint now = clock_.now().steady;
  view_.update(queue_rows(), now);
  if (Status saved = objects_file_.save_if_due(now); !saved && !std::exchange(save_failed_, true)) {
    view_.complain(saved.error().message);
  }
  loop_.after(kTickEvery, [this] { tick(); });
}

void Session::save_objects() {
  if (Status saved = objects_file_.save(); !saved) view_.complain(saved.error().message);
}

std::vector<QueueRow> Session::queue_rows() const {
  std::vector<QueueRow> rows;
  const auto workers = pods_ ? pods_->workers() : std::map<op::QueueRef, PodRunner::Workers>{};
  // Only what the broker has spoken of: unknown figures are not zeros.
  for (const auto& [queue, figures] : figures_) {
    QueueRow& row = rows.emplace_back();
    const bool usual = queue.namespace_name == options_.default_namespace;
    row.name = usual ? queue.name : queue.namespace_name + "/" + queue.name;
    row.ready = figures.ready;
    row.running = figures.running;
    row.scheduled = figures.scheduled;
    row.dead = figures.dead;
    row.backlog = figures.backlog;
    row.in_per_second = figures.enqueued_per_second;
    row.out_per_second = figures.succeeded_per_second + figures.failed_per_second;
    row.paused = figures.paused_enqueue || figures.paused_dispatch;
    if (const auto found = workers.find(queue); found != workers.end()) {
      row.workers_ready = found->second.ready;
      row.workers_wanted = found->second.wanted;
    }
  }
  return rows;
}

}  // namespace sluice::local
