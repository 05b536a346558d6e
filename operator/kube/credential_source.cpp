#include "operator/kube/credential_source.h"

#include <sys/stat.h>

#include <atomic>
#include <mutex>
#include <optional>
#include <tuple>

#include "common/base/log.h"
#include "operator/kube/base64.h"
#include "operator/kube/exec_credential.h"
#include "operator/kube/plugin_process.h"

namespace sluice::kube {
namespace {

Error cancelled() {
  return {ErrorCode::kUnavailable, "the client is shutting down"};
}

Error unauthenticated(std::string message) {
  return {ErrorCode::kUnauthenticated, std::move(message)};
}

// A header's value must not end the header.
bool is_header_value(std::string_view text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos;
}

// Adds the certificate and key of the configuration, as they are now.
Status add_certificate(const KubeConfig& config, Credential& credential) {
  auto certificate = config.client_certificate.read();
  if (!certificate) return std::move(certificate).error();
  auto key = config.client_key.read();
  if (!key) return std::move(key).error();
  credential.client_certificate_pem = *std::move(certificate);
  credential.client_key_pem = *std::move(key);
  return Ok{};
}

// A fixed token, user name or certificate; certificate files are read again after a rejection.
class FixedCredential final : public CredentialSource {
 public:
  explicit FixedCredential(KubeConfig config) : config_(std::move(config)) {}

  Result<Credential> current() override {
    if (is_cancelled_) return cancelled();
    const std::scoped_lock lock(mutex_);
    if (cached_) return *cached_;
    Credential credential;
    if (!config_.token.empty()) credential.authorization = "Bearer " + config_.token;
    if (!config_.username.empty()) {
      credential.authorization =
          "Basic " + encode_base64(config_.username + ":" + config_.password);
    }
    if (!is_header_value(credential.authorization)) {
      return unauthenticated("the token holds a line break");
    }
    if (auto added = add_certificate(config_, credential); !added) {
      return std::move(added).error();
    }
    cached_ = credential;
    return credential;
  }

  void rejected(const Credential& /*used*/) override {
    const std::scoped_lock lock(mutex_);
    cached_.reset();
  }

  void cancel() override { is_cancelled_ = true; }

 private:
  const KubeConfig config_;
  std::atomic<bool> is_cancelled_{false};
  std::mutex mutex_;
  std::optional<Credential> cached_;
};

// A token in a file that somebody else keeps fresh (the kubelet, for a service account).
class FileCredential final : public CredentialSource {
 public:
  FileCredential(KubeConfig config, const Clock& clock)
      : config_(std::move(config)), clock_(clock) {}

  Result<Credential> current() override {
    if (is_cancelled_) return cancelled();
    const std::scoped_lock lock(mutex_);
    const Stamp stamp = stamp_of_file();
    const SteadyPoint now = clock_.now().steady;
    if (cached_ && stamp == stamp_ && now - read_at_ < kTokenFileLife) return *cached_;

    auto fresh = read();
    if (!fresh) {
      if (!last_good_) return std::move(fresh).error();
      // The server decides whether the old one is still good.
      log_warn("token file not readable, keeping the last token",
               {{"file", config_.token_file.string()}, {"error", fresh.error().message}});
      return *last_good_;
    }
    stamp_ = stamp;
    read_at_ = now;
    cached_ = *fresh;
    last_good_ = *fresh;
    return *std::move(fresh);
  }

  void rejected(const Credential& /*used*/) override {
    const std::scoped_lock lock(mutex_);
    cached_.reset();
  }

  void cancel() override { is_cancelled_ = true; }

 private:
  // Device, inode, size and time of change: a replaced or rewritten file has another.
  using Stamp = std::tuple<dev_t, ino_t, off_t, time_t, long>;

  Stamp stamp_of_file() const {
    struct stat facts{};
    if (stat(config_.token_file.c_str(), &facts) != 0) return {};
    return {facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtim.tv_sec, facts.st_mtim.tv_nsec};
  }

  Result<Credential> read() const {
    auto text = read_small_file(config_.token_file);
    if (!text) return unauthenticated(text.error().message);
    while (!text->empty() && std::string_view(" \t\r\n").find(text->back()) < 4) text->pop_back();
    if (text->empty()) return unauthenticated(config_.token_file.string() + " is empty");
    if (!is_header_value(*text)) {
      return unauthenticated(config_.token_file.string() + " holds more than one line");
    }
    Credential credential{.authorization = "Bearer " + *text};
    if (auto added = add_certificate(config_, credential); !added) {
      return std::move(added).error();
    }
    return credential;
  }

  const KubeConfig config_;
  const Clock& clock_;
  std::atomic<bool> is_cancelled_{false};
  std::mutex mutex_;
  std::optional<Credential> cached_;
  std::optional<Credential> last_good_;
  Stamp stamp_{};
  SteadyPoint read_at_{};
};

// A plugin's credential, until it expires or is rejected.
class PluginCredential final : public CredentialSource {
 public:
  PluginCredential(KubeConfig config, const Clock& clock, Duration time_max)
      : config_(std::move(config)), clock_(clock), time_max_(time_max) {}

  Result<Credential> current() override {
    if (is_cancelled_) return cancelled();
    // One run at a time: the others wait for its result.
    const std::scoped_lock lock(mutex_);
    if (cached_ && (!expires_at_ || clock_.now().wall < *expires_at_)) return *cached_;
    cached_.reset();
    auto fresh = run();
    if (!fresh) return std::move(fresh).error();

    Credential credential{.client_certificate_pem = fresh->client_certificate_pem,
                          .client_key_pem = fresh->client_key_pem};
    if (!fresh->token.empty()) credential.authorization = "Bearer " + fresh->token;
    if (!is_header_value(credential.authorization)) {
      return unauthenticated("the plugin's token holds a line break");
    }
    if (fresh->client_key_pem.empty()) {
      if (auto added = add_certificate(config_, credential); !added) {
        return std::move(added).error();
      }
    }
    expires_at_ = fresh->expires_at;
    cached_ = credential;
    return credential;
  }

  void rejected(const Credential& used) override {
    const std::scoped_lock lock(mutex_);
    // Another thread may have fetched a new one meanwhile.
    if (cached_ == used) cached_.reset();
  }

  void cancel() override {
    is_cancelled_ = true;
    stop_.stop();
  }

 private:
  Result<ExecCredential> run() {
    const ExecPlugin& plugin = *config_.exec;
    std::vector<std::string> argv{plugin.command};
    argv.insert(argv.end(), plugin.args.begin(), plugin.args.end());
    auto env = plugin.env;
    env.emplace_back("KUBERNETES_EXEC_INFO", plugin.exec_info);

    const auto failed = [&plugin](const std::string& why) {
      return unauthenticated("exec plugin " + plugin.command + ": " + why);
    };
    auto ran = run_program(argv, env, time_max_, stop_);
    if (!ran) {
      if (is_cancelled_) return cancelled();
      const bool is_missing = ran.error().code == ErrorCode::kNotFound;
      return failed(ran.error().message +
                    (is_missing && !plugin.install_hint.empty() ? ". " + plugin.install_hint : ""));
    }
    if (ran->exit_code != 0) {
      return failed("ended with exit code " + std::to_string(ran->exit_code) + ": " + ran->error);
    }
    auto credential = parse_exec_credential(ran->output, plugin.api_version);
    if (!credential) return failed(credential.error().message);
    return credential;
  }

  const KubeConfig config_;
  const Clock& clock_;
  const Duration time_max_;
  std::atomic<bool> is_cancelled_{false};
  ProgramStop stop_;
  std::mutex mutex_;
  std::optional<Credential> cached_;
  std::optional<TimePoint> expires_at_;
};

}  // namespace

std::unique_ptr<CredentialSource> make_credential_source(const KubeConfig& config,
                                                         const Clock& clock,
                                                         Duration plugin_time_max) {
  if (config.exec) return std::make_unique<PluginCredential>(config, clock, plugin_time_max);
  if (!config.token_file.empty()) return std::make_unique<FileCredential>(config, clock);
  return std::make_unique<FixedCredential>(config);
}

}  // namespace sluice::kube
