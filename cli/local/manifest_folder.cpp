#include "cli/local/manifest_folder.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <system_error>
#include <utility>

#include "common/base/check.h"
#include "common/base/log.h"

namespace sluice::local {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr milliseconds kSettle{150};  // an editor's save is several events
constexpr int kSettleRoundsMax = 10;  // of kSettle: a folder that never rests is read all the same
constexpr milliseconds kLookFollowed{10'000};  // between two looks when inotify tells
constexpr milliseconds kLookBlind{1'000};      // and when it does not

constexpr std::uint32_t kEvents = IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM |
                                  IN_MOVED_TO | IN_ATTRIB | IN_DELETE_SELF;

bool is_hidden(const fs::path& path) {
  return path.filename().string().starts_with('.');
}

bool is_manifest_name(const fs::path& path) {
  const std::string extension = path.extension().string();
  return extension == ".yaml" || extension == ".yml" || extension == ".json";
}

// Calls `visit` for each entry that counts. An error means that `folder` itself cannot be read.
template <typename Visit>
std::error_code walk(const fs::path& folder, const fs::path& data_folder, Visit visit) {
  std::error_code error;
  fs::recursive_directory_iterator it(folder, fs::directory_options::skip_permission_denied, error);
  if (error) return error;
  for (const fs::recursive_directory_iterator end; it != end;) {
    std::error_code ignored;
    const bool skip = is_hidden(it->path()) || fs::equivalent(it->path(), data_folder, ignored);
    if (skip) {
      it.disable_recursion_pending();
    } else {
      visit(*it);
    }
    // A folder that goes away while it is read ends the walk; its removal is an event of its own.
    it.increment(ignored);
    if (ignored) break;
  }
  return {};
}

}  // namespace

Result<std::vector<ManifestFile>> read_manifest_folder(const fs::path& folder,
                                                       const fs::path& data_folder) {
  std::vector<fs::path> paths;
  const std::error_code failed = walk(folder, data_folder, [&](const fs::directory_entry& entry) {
    std::error_code ignored;
    if (is_manifest_name(entry.path()) && entry.is_regular_file(ignored)) {
      paths.push_back(entry.path());
    }
  });
  if (failed) return Error{ErrorCode::kNotFound, folder.string() + ": " + failed.message()};
  if (paths.size() > kManifestFilesMax) {
    return Error{ErrorCode::kTooLarge, folder.string() + ": more than " +
                                           std::to_string(kManifestFilesMax) + " manifest files"};
  }
  std::vector<ManifestFile> files;
  for (const fs::path& path : paths) {
    auto text = read_file(path, kManifestBytesMax);
    if (!text && text.error().code == ErrorCode::kNotFound) continue;  // removed meanwhile
    ManifestFile& file = files.emplace_back();
    file.path = path.lexically_relative(folder).string();
    if (text) {
      file.text = *std::move(text);
    } else {
      file.problem = text.error().message;
    }
  }
  std::sort(files.begin(), files.end(),
            [](const ManifestFile& a, const ManifestFile& b) { return a.path < b.path; });
  return files;
}

ManifestFolder::ManifestFolder(fs::path folder, fs::path data_folder,
                               std::vector<ManifestFile> last, OnChange on_change)
    : folder_(std::move(folder)),
      data_folder_(std::move(data_folder)),
      last_(std::move(last)),
      on_change_(std::move(on_change)),
      stop_(::eventfd(0, EFD_CLOEXEC)),
      inotify_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
  CHECK(stop_);
  if (!inotify_) log_warn("folder is polled", {{"reason", system_error("inotify").message}});
  thread_ = std::thread([this] { run(); });
}

ManifestFolder::~ManifestFolder() {
  const std::uint64_t one = 1;
  CHECK(::write(stop_.get(), &one, sizeof(one)) == sizeof(one));
  thread_.join();
}

void ManifestFolder::run() {
  for (;;) {
    // First the watches, then the look: what changes in between is an event.
    watch_folders();
    look();
    if (!wait_for_change()) return;
  }
}

void ManifestFolder::watch_folders() {
  if (!inotify_) return;
  bool complete = ::inotify_add_watch(inotify_.get(), folder_.c_str(), kEvents) >= 0;
  walk(folder_, data_folder_, [&](const fs::directory_entry& entry) {
    std::error_code ignored;
    if (!entry.is_directory(ignored) || entry.is_symlink(ignored)) return;
    complete &= ::inotify_add_watch(inotify_.get(), entry.path().c_str(), kEvents) >= 0;
  });
  if (!complete) {
    // Out of watches, or the folder is gone for the moment: the slow look goes on.
    inotify_.reset();
    log_warn("folder is polled", {{"reason", "not every folder can be watched"}});
  }
}

bool ManifestFolder::wait_for_change() {
  milliseconds wait = inotify_ ? kLookFollowed : kLookBlind;
  for (int round = 0; round < kSettleRoundsMax; ++round) {
    pollfd fds[] = {{stop_.get(), POLLIN, 0}, {inotify_.get(), POLLIN, 0}};
    const int ready = ::poll(fds, 2, static_cast<int>(wait.count()));
    if (fds[0].revents != 0) return false;
    if (ready <= 0) return true;  // silence: either the settling is over or a look is due
    drain_events();
    wait = kSettle;
  }
  return true;
}

// What happened does not matter: the folder is read as a whole.
void ManifestFolder::drain_events() {
  alignas(inotify_event) char buffer[16 * 1024];
  while (::read(inotify_.get(), buffer, sizeof(buffer)) > 0) {
  }
}

void ManifestFolder::look() {
  auto files = read_manifest_folder(folder_, data_folder_);
  if (!files) {
    // A folder that is moved away for a moment must not take every queue with it.
    log_warn("folder cannot be read", {{"reason", files.error().message}});
    return;
  }
  if (*files == last_) return;
  last_ = *files;
  on_change_(*std::move(files));
}

}  // namespace sluice::local
