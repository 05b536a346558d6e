// One watch on the API server: a kind in a namespace.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "common/base/clock.h"
#include "operator/controller/object_store.h"
#include "operator/kube/api_client.h"
#include "operator/kube/backoff.h"
#include "operator/kube/patient_calls.h"
#include "operator/kube/pause.h"
#include "operator/kube/watch_index.h"

namespace sluice::kube {

struct WatchOptions {
  int page_size = 500;
  // Bookmarks come about once a minute; a connection without a byte for longer is taken for dead.
  Duration idle = std::chrono::seconds{90};
  // How long the server may serve one watch; up to half as much again, so that they do not all end
  // together.
  std::chrono::seconds session{240};
  Duration retry_min = std::chrono::milliseconds{200};
  Duration retry_max = std::chrono::seconds{5};
  std::uint64_t jitter_seed = 1;
};

// Lists in pages, tells what there is, then follows the changes from the list's version on.
// Whatever breaks is mended: a watch that ends, is cut or says nothing is resumed where it was
// (SURVIVAL 1); a version that is too old, or not there yet, is listed anew, and told as the
// difference (2, 3); a kind that is not installed and rights that are missing are tried again until
// they are there (15).
//
// A thread of its own makes all callbacks; the destructor ends it at once, and is not called from
// it.
class ObjectWatch {
 public:
  struct Listener {
    std::function<void(const op::WatchEvent&)> on_event;
    std::function<void()> on_synced;  // once, after the first list
  };
  // A server that answers with a list older than what it had shown is a replica that lags; that
  // often in a row it is one whose store was restored.
  static constexpr int kStaleListsMax = 5;

  // `client` is this watch's alone: ending it cancels the client.
  ObjectWatch(std::unique_ptr<ApiClient> client, const Clock& clock, op::ObjectKind kind,
              std::string namespace_name, WatchOptions options, Listener listener);
  ~ObjectWatch();
  ObjectWatch(const ObjectWatch&) = delete;
  ObjectWatch& operator=(const ObjectWatch&) = delete;

 private:
  void run();
  Status list();
  Status list_pages();
  Status follow();
  // False: the watch has to be opened again, because of `error` if it is set.
  bool take_line(std::string_view line, std::optional<Error>& error);
  // Whether to go on; waits first unless a watch served for a while.
  bool recover(const Status& ended, bool was_list, Duration took);
  void note_trouble(const Error& error);
  void note_progress();

  const std::unique_ptr<ApiClient> client_;
  const Clock& clock_;
  const op::ObjectKind kind_;
  const std::string namespace_name_;
  const WatchOptions options_;
  const Listener listener_;
  PatientCalls calls_;
  Pause pause_;
  Backoff backoff_;
  WatchIndex index_;
  std::string version_;  // everything up to it was told; empty: nothing yet
  bool must_list_ = true;
  bool is_paged_ = true;  // off while continue tokens expire before the list is through
  bool is_synced_ = false;
  bool has_progressed_ = false;
  int stale_lists_ = 0;
  std::optional<ErrorCode> trouble_;  // what was logged last
  std::thread thread_;
};

}  // namespace sluice::kube
