// A disk in memory that loses power, and fails when it is told to (SURVIVAL 20, 21). For tests that
// link broker_storage.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "broker/storage/key_value_engine.h"
#include "broker/storage/memory_engine.h"
#include "common/base/check.h"

namespace sluice::testing {

// Keeps every batch ever written; an engine opened on it begins with what those batches made.
//
// Threads: any; the engine of an open() as any engine. One engine at a time.
class MemoryDisk {
 public:
  // Outlived by the disk.
  std::unique_ptr<broker::KeyValueEngine> open();

  std::size_t batches() const {
    return with_lock([this] { return batches_.size(); });
  }
  std::size_t synced_batches() const {
    return with_lock([this] { return synced_; });
  }

  // A power cut: what was written after the last sync is gone. Close the engine first.
  void lose_unsynced() { keep(synced_batches()); }
  // Only the first `count` batches stay; at least those that were synced, or it is not a power cut.
  void keep(std::size_t count) {
    with_lock([&] {
      if (count < batches_.size()) batches_.resize(count);
      synced_ = std::min(synced_, batches_.size());
    });
  }
  // The nth write from now (1 is the next) fails and leaves nothing, as do all after it.
  void fail_write(std::size_t nth) {
    with_lock([&] { writes_until_failure_ = nth; });
  }
  void heal() {
    with_lock([this] { writes_until_failure_.reset(); });
  }
  void set_free_bytes(std::uint64_t bytes) {
    with_lock([&] { free_bytes_ = bytes; });
  }

 private:
  class Batch;
  class Engine;
  using Write = std::function<void(broker::KeyValueBatch&)>;

  template <typename Body>
  std::invoke_result_t<Body> with_lock(Body body) const {
    const std::lock_guard lock(mutex_);
    return body();
  }

  mutable std::mutex mutex_;
  std::vector<std::vector<Write>> batches_;
  std::size_t synced_ = 0;
  std::optional<std::size_t> writes_until_failure_;
  std::optional<std::uint64_t> free_bytes_;
};

// Remembers its writes, to be made on any other batch.
class MemoryDisk::Batch final : public broker::KeyValueBatch {
 public:
  void put(broker::Family family, std::string_view key, std::string_view value) override {
    add(key.size() + value.size(), [family, k = std::string(key), v = std::string(value)](
                                       KeyValueBatch& batch) { batch.put(family, k, v); });
  }
  void remove(broker::Family family, std::string_view key) override {
    add(key.size(),
        [family, k = std::string(key)](KeyValueBatch& batch) { batch.remove(family, k); });
  }
  void remove_once(broker::Family family, std::string_view key) override {
    add(key.size(),
        [family, k = std::string(key)](KeyValueBatch& batch) { batch.remove_once(family, k); });
  }
  void remove_range(broker::Family family, std::string_view begin, std::string_view end) override {
    add(begin.size() + end.size(), [family, b = std::string(begin), e = std::string(end)](
                                       KeyValueBatch& batch) { batch.remove_range(family, b, e); });
  }
  bool empty() const override { return writes_.empty(); }
  std::size_t size_bytes() const override { return size_bytes_; }
  const std::vector<Write>& writes() const { return writes_; }

 private:
  void add(std::size_t size_bytes, Write write) {
    size_bytes_ += size_bytes;
    writes_.push_back(std::move(write));
  }

  std::vector<Write> writes_;
  std::size_t size_bytes_ = 0;
};

class MemoryDisk::Engine final : public broker::KeyValueEngine {
 public:
  explicit Engine(MemoryDisk& disk) : disk_(disk), memory_(broker::make_memory_engine()) {
    for (const auto& writes : disk.batches_) apply(writes);
  }

  std::unique_ptr<broker::KeyValueBatch> new_batch() const override {
    return std::make_unique<Batch>();
  }
  Status write(const broker::KeyValueBatch& batch, bool sync) override {
    const auto* ours = dynamic_cast<const Batch*>(&batch);
    CHECK(ours != nullptr);
    const bool written = disk_.with_lock([&] {
      auto& left = disk_.writes_until_failure_;
      if (left && (*left == 0 || --*left == 0)) return false;
      disk_.batches_.push_back(ours->writes());
      if (sync) disk_.synced_ = disk_.batches_.size();
      return true;
    });
    if (!written) return Error{ErrorCode::kUnavailable, "writing: the disk was told to fail"};
    apply(ours->writes());
    return Ok{};
  }
  Result<std::optional<std::string>> get(broker::Family family,
                                         std::string_view key) const override {
    return memory_->get(family, key);
  }
  Result<std::vector<std::optional<std::string>>> multi_get(
      broker::Family family, std::span<const std::string> keys) const override {
    return memory_->multi_get(family, keys);
  }
  std::unique_ptr<broker::KeyValueCursor> scan(broker::Family family, std::string_view prefix,
                                               std::string_view from,
                                               broker::ScanKind kind) const override {
    return memory_->scan(family, prefix, from, kind);
  }
  std::unique_ptr<broker::KeyValueReader> snapshot() const override { return memory_->snapshot(); }
  std::uint64_t free_bytes() const override {
    const auto set = disk_.with_lock([this] { return disk_.free_bytes_; });
    return set.value_or(memory_->free_bytes());
  }

 private:
  void apply(const std::vector<Write>& writes) {
    const auto batch = memory_->new_batch();
    for (const Write& write : writes) write(*batch);
    CHECK(static_cast<bool>(memory_->write(*batch, false)));
  }

  MemoryDisk& disk_;
  std::unique_ptr<broker::KeyValueEngine> memory_;
};

inline std::unique_ptr<broker::KeyValueEngine> MemoryDisk::open() {
  return std::make_unique<Engine>(*this);
}

}  // namespace sluice::testing
