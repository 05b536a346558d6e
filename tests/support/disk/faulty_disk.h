// A file system for RocksDB that loses power, fails when it is told to, and fills up (SURVIVAL 20,
// 21).
#pragma once

#include <rocksdb/file_system.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace sluice::testing {

// Real files, of which it remembers what a power cut would take: the bytes of a file since its last
// sync, sector by sector where they are written over others; what files were made, renamed and
// deleted in a folder since the folder's last sync. Nothing is really synced.
//
// Threads: any.
class FaultyDisk final : public rocksdb::FileSystemWrapper {
 public:
  FaultyDisk();
  const char* Name() const override { return "FaultyDisk"; }

  // How many calls there were: everything that reads, writes, syncs, makes, renames or deletes.
  std::size_t calls() const;
  std::size_t syncs() const;
  // The nth call from now (1 is the next) fails with `how`; those after it do not. A failing write
  // leaves half of its bytes.
  void fail_call(std::size_t nth, rocksdb::IOStatus how);
  void fail_next_sync(rocksdb::IOStatus how);
  // Whether that call was made.
  bool has_failed() const;
  // Bytes that may be written until NoSpace; deleted files give theirs back.
  void set_room(std::optional<std::uint64_t> bytes);

  // From now, or from the nth call on, every call fails, and nothing more reaches the files.
  void cut_power();
  void cut_power_at(std::size_t nth);
  // What is left of each thing that was not synced: kept() is asked for the fraction that survives,
  // and for what cannot be halved whether it is at least 0.5. The new end of a file is cut off, or
  // keeps its size and loses sectors, which are zeros then. Requires: cut_power(), and the database
  // is closed.
  void restore_power(const std::function<double()>& kept);

  rocksdb::IOStatus NewSequentialFile(const std::string& name, const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSSequentialFile>* file,
                                      rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewRandomAccessFile(const std::string& name,
                                        const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSRandomAccessFile>* file,
                                        rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus ReopenWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                       std::unique_ptr<rocksdb::FSWritableFile>* file,
                                       rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewDirectory(const std::string& name, const rocksdb::IOOptions& options,
                                 std::unique_ptr<rocksdb::FSDirectory>* folder,
                                 rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus DeleteFile(const std::string& name, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;

 private:
  class File;
  class Folder;
  class SequentialFile;
  class RandomAccessFile;

  struct Extent {
    std::uint64_t size = 0;
    std::uint64_t synced = 0;
    std::map<std::uint64_t, std::string> before;  // what synced sectors held, by their offset
  };
  // An entry of a folder that changed; `before` is a copy of the file it named, empty for none, and
  // `extent` what of that was synced.
  struct Change {
    std::string name;
    std::string before;
    Extent extent;
  };

  // Ok, or how this call fails.
  rocksdb::IOStatus next_call();
  // Requires: mutex_ is held.
  rocksdb::IOStatus next_call_locked();
  rocksdb::IOStatus next_sync_locked();
  void remember_locked(const std::string& name);
  static void lose_unsynced(const std::string& name, const Extent& extent,
                            const std::function<double()>& kept);
  // `write` writes at `offset` what it is given, and this all of `data` or the part that fits.
  rocksdb::IOStatus write_locked(const std::string& name, const rocksdb::Slice& data,
                                 std::uint64_t offset,
                                 const std::function<rocksdb::IOStatus(rocksdb::Slice)>& write);
  std::uint64_t size_of(const std::string& name) const;

  mutable std::mutex mutex_;
  std::size_t calls_ = 0;
  std::size_t syncs_ = 0;
  std::size_t calls_until_failure_ = 0;  // 0: none
  bool next_sync_fails_ = false;
  rocksdb::IOStatus failure_;
  bool failure_cuts_power_ = false;
  bool has_failed_ = false;
  bool has_power_ = true;
  std::optional<std::uint64_t> room_;
  std::map<std::string, Extent> extents_;
  std::map<std::string, std::vector<Change>> changes_;  // by folder, in their order
  std::size_t copies_ = 0;
};

}  // namespace sluice::testing
