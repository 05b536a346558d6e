// The declared objects on disk: UIDs, generations and status outlive `sluice dev`.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <utility>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "operator/controller/memory_object_store.h"

namespace sluice::local {

// Written as a whole, atomically, when something has changed.
//
// Threads: not synchronized; the store may change meanwhile.
class ObjectsFile {
 public:
  static constexpr Duration kSaveEvery = std::chrono::seconds{1};
  static constexpr std::size_t kBytesMax = 1024 * 1024 * 1024;

  ObjectsFile(std::filesystem::path path, op::MemoryObjectStore& store)
      : path_(std::move(path)), store_(store) {}

  // Fills the store; an absent file is an empty one. kCorruption names the file: it is never
  // replaced in silence, because that would run finished Jobs again.
  Status load();
  // On disk when this returns; nothing is written when nothing has changed.
  Status save();
  // save(), at most every kSaveEvery.
  Status save_if_due(SteadyPoint now);

 private:
  const std::filesystem::path path_;
  op::MemoryObjectStore& store_;
  std::uint64_t saved_version_ = 0;
  SteadyPoint saved_at_{};
};

}  // namespace sluice::local
