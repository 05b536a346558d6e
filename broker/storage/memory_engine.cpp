#include "broker/storage/memory_engine.h"

#include <array>
#include <limits>
#include <map>
#include <mutex>
#include <utility>

#include "common/base/check.h"

namespace sluice::broker {
namespace {

using Table = std::map<std::string, std::string, std::less<>>;

struct Operation {
  enum class Kind { kPut, kRemove, kRemoveRange };
  Kind kind;
  Family family;
  std::string key;
  std::string value;  // of a put; the end of a range
};

class MemoryBatch final : public KeyValueBatch {
 public:
  void put(Family family, std::string_view key, std::string_view value) override {
    add({Operation::Kind::kPut, family, std::string(key), std::string(value)});
  }
  void remove(Family family, std::string_view key) override {
    add({Operation::Kind::kRemove, family, std::string(key), {}});
  }
  void remove_once(Family family, std::string_view key) override { remove(family, key); }
  void remove_range(Family family, std::string_view begin, std::string_view end) override {
    add({Operation::Kind::kRemoveRange, family, std::string(begin), std::string(end)});
  }
  bool empty() const override { return operations_.empty(); }
  std::size_t size_bytes() const override { return size_bytes_; }
  const std::vector<Operation>& operations() const { return operations_; }

 private:
  void add(Operation operation) {
    size_bytes_ += operation.key.size() + operation.value.size();
    operations_.push_back(std::move(operation));
  }

  std::vector<Operation> operations_;
  std::size_t size_bytes_ = 0;
};

// A table as it was when the pin was made. Pins come and go under the engine's mutex, so that a
// writer that finds a table unshared knows that no reader is still at it.
class Pin {
 public:
  // Requires: `mutex` is held.
  Pin(std::mutex& mutex, std::shared_ptr<const Table> table)
      : mutex_(mutex), table_(std::move(table)) {}
  ~Pin() {
    const std::lock_guard lock(mutex_);
    table_.reset();
  }
  Pin(const Pin&) = delete;
  Pin& operator=(const Pin&) = delete;

  const Table& table() const { return *table_; }
  const std::shared_ptr<const Table>& shared() const { return table_; }
  std::mutex& mutex() const { return mutex_; }

 private:
  std::mutex& mutex_;
  std::shared_ptr<const Table> table_;
};

std::optional<std::string> find(const Table& table, std::string_view key) {
  const auto it = table.find(key);
  if (it == table.end()) return std::nullopt;
  return it->second;
}

class MemoryCursor final : public KeyValueCursor {
 public:
  MemoryCursor(std::unique_ptr<Pin> pin, std::string_view prefix, std::string_view from)
      : pin_(std::move(pin)), prefix_(prefix), it_(pin_->table().lower_bound(from)) {}

  bool valid() const override {
    return it_ != pin_->table().end() && it_->first.starts_with(prefix_);
  }
  std::string_view key() const override { return it_->first; }
  std::string_view value() const override { return it_->second; }
  void next() override { ++it_; }
  Status status() const override { return Ok{}; }

 private:
  std::unique_ptr<Pin> pin_;
  std::string prefix_;
  Table::const_iterator it_;
};

class MemorySnapshot final : public KeyValueReader {
 public:
  explicit MemorySnapshot(std::array<std::unique_ptr<Pin>, kFamilyCount> pins)
      : pins_(std::move(pins)) {}

  Result<std::optional<std::string>> get(Family family, std::string_view key) const override {
    return find(pin(family).table(), key);
  }
  Result<std::vector<std::optional<std::string>>> multi_get(
      Family family, std::span<const std::string> keys) const override {
    std::vector<std::optional<std::string>> values;
    for (const std::string& key : keys) values.push_back(find(pin(family).table(), key));
    return values;
  }
  std::unique_ptr<KeyValueCursor> scan(Family family, std::string_view prefix,
                                       std::string_view from, ScanKind) const override {
    const Pin& pinned = pin(family);
    const std::lock_guard lock(pinned.mutex());
    return std::make_unique<MemoryCursor>(std::make_unique<Pin>(pinned.mutex(), pinned.shared()),
                                          prefix, from);
  }

 private:
  const Pin& pin(Family family) const { return *pins_[static_cast<std::size_t>(family)]; }

  std::array<std::unique_ptr<Pin>, kFamilyCount> pins_;
};

class MemoryEngine final : public KeyValueEngine {
 public:
  MemoryEngine() {
    for (auto& table : tables_) table = std::make_shared<Table>();
  }

  std::unique_ptr<KeyValueBatch> new_batch() const override {
    return std::make_unique<MemoryBatch>();
  }

  Status write(const KeyValueBatch& batch, bool) override {
    const auto* ours = dynamic_cast<const MemoryBatch*>(&batch);
    CHECK(ours != nullptr);
    const std::lock_guard lock(mutex_);
    for (const Operation& operation : ours->operations()) apply(operation);
    return Ok{};
  }

  Result<std::optional<std::string>> get(Family family, std::string_view key) const override {
    const std::lock_guard lock(mutex_);
    return find(*tables_[index(family)], key);
  }

  Result<std::vector<std::optional<std::string>>> multi_get(
      Family family, std::span<const std::string> keys) const override {
    std::vector<std::optional<std::string>> values;
    const std::lock_guard lock(mutex_);
    for (const std::string& key : keys) values.push_back(find(*tables_[index(family)], key));
    return values;
  }

  std::unique_ptr<KeyValueCursor> scan(Family family, std::string_view prefix,
                                       std::string_view from, ScanKind) const override {
    const std::lock_guard lock(mutex_);
    return std::make_unique<MemoryCursor>(std::make_unique<Pin>(mutex_, tables_[index(family)]),
                                          prefix, from);
  }

  std::unique_ptr<KeyValueReader> snapshot() const override {
    std::array<std::unique_ptr<Pin>, kFamilyCount> pins;
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < kFamilyCount; ++i) {
      pins[i] = std::make_unique<Pin>(mutex_, tables_[i]);
    }
    return std::make_unique<MemorySnapshot>(std::move(pins));
  }

  std::uint64_t free_bytes() const override { return std::numeric_limits<std::uint64_t>::max(); }

 private:
  static std::size_t index(Family family) { return static_cast<std::size_t>(family); }

  void apply(const Operation& operation) {
    auto& shared = tables_[index(operation.family)];
    if (shared.use_count() > 1) shared = std::make_shared<Table>(*shared);
    Table& table = *shared;
    switch (operation.kind) {
      case Operation::Kind::kPut:
        table.insert_or_assign(operation.key, operation.value);
        return;
      case Operation::Kind::kRemove:
        table.erase(operation.key);
        return;
      case Operation::Kind::kRemoveRange:
        table.erase(table.lower_bound(operation.key), table.lower_bound(operation.value));
        return;
    }
  }

  mutable std::mutex mutex_;
  std::array<std::shared_ptr<Table>, kFamilyCount> tables_;
};

}  // namespace

std::unique_ptr<KeyValueEngine> make_memory_engine() {
  return std::make_unique<MemoryEngine>();
}

}  // namespace sluice::broker
