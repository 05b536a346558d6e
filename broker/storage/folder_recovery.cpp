#include "broker/storage/folder_recovery.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "broker/storage/files.h"
#include "broker/storage/log_file_system.h"
#include "broker/storage/log_scan.h"

namespace sluice::broker {
namespace {

namespace fs = std::filesystem;

struct LogFile {
  std::uint64_t number;
  fs::path path;
  LogContent content;
};

Result<LogFile> read_log(const fs::path& path, std::uint64_t number) {
  std::ifstream in(path, std::ios::binary);
  const LogContent content = scan_log(in, number);
  // What cannot be read must not be taken for the end.
  std::error_code error;
  if (in.bad() || content.bytes != fs::file_size(path, error)) {
    return Error{ErrorCode::kUnavailable, "cannot read " + path.string()};
  }
  return LogFile{number, path, content};
}

Error damage(const LogFile& log) {
  return {ErrorCode::kCorruption, log.path.string() + " is damaged at byte " +
                                      std::to_string(log.content.whole_bytes) +
                                      ": what was written after it is there, and it is not whole"};
}

Status cut(const LogFile& log, std::uint64_t bytes) {
  std::error_code error;
  if (log.content.bytes != bytes) fs::resize_file(log.path, bytes, error);
  if (error) return file_error("cut", log.path, error);
  return sync_file(log.path);  // also what an earlier start cut, which came to its end here
}

Status check_files(const std::string& path, LogRule rule) {
  bool has_current = false;
  bool has_tables = false;
  bool has_log = false;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(path, error)) {
    const std::string extension = entry.path().extension().string();
    has_current |= entry.path().filename() == "CURRENT";
    has_tables |= extension == ".sst";
    has_log |= extension == ".log";
  }
  if (error) return file_error("read", path, error);
  if (!has_current && (has_tables || has_log)) {
    return Error{ErrorCode::kCorruption, path + " holds data, but its file CURRENT is missing"};
  }
  if (rule == LogRule::kRequired && has_tables && !has_log) {
    return Error{ErrorCode::kCorruption, path + " holds data, but its log is missing"};
  }
  return Ok{};
}

std::string bytes_from(const fs::path& path, std::uint64_t begin) {
  std::ifstream in(path, std::ios::binary);
  in.seekg(static_cast<std::streamoff>(begin));
  return {std::istreambuf_iterator<char>(in), {}};
}

// The manifest has the form of a log without marks: each of its records was on disk before the next
// was written. A last record that is damaged is left to RocksDB, which refuses it, as it does what
// is wrong with the file CURRENT.
Status recover_manifest(const std::string& path) {
  std::string name;
  std::ifstream(fs::path(path) / "CURRENT") >> name;
  const fs::path file = fs::path(path) / name;
  std::error_code error;
  if (name.empty() || !fs::is_regular_file(file, error)) return Ok{};
  const auto manifest = read_log(file, 0);
  if (!manifest) return manifest.error();
  const LogContent& content = manifest->content;
  const std::uint64_t whole = content.whole_bytes;
  if (content.synced.offset > whole) return damage(*manifest);
  if (content.is_torn && !is_torn_append(bytes_from(file, whole), whole)) return Ok{};
  return cut(*manifest, whole);
}

// In the order they were written in.
Result<std::vector<LogFile>> read_logs(const std::string& path) {
  std::vector<LogFile> logs;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(path, error)) {
    const auto number = log_number(entry.path().string());
    if (!number) continue;
    auto log = read_log(entry.path(), *number);
    if (!log) return std::move(log).error();
    logs.push_back(*std::move(log));
  }
  if (error) return file_error("read", path, error);
  std::sort(logs.begin(), logs.end(),
            [](const LogFile& a, const LogFile& b) { return a.number < b.number; });
  return logs;
}

// The first log that lacks something: bytes of its own, or a record that the next one says was
// written.
std::vector<LogFile>::const_iterator first_torn(const std::vector<LogFile>& logs) {
  return std::adjacent_find(logs.begin(), logs.end(), [](const LogFile& log, const LogFile& next) {
    const LogPosition end{log.number, log.content.whole_bytes};
    const LogPosition& written = next.content.first_written;
    return log.content.is_torn || (written.file == log.number && written > end);
  });
}

Status recover_logs(const std::string& path) {
  const auto logs = read_logs(path);
  if (!logs) return logs.error();
  if (logs->empty()) return Ok{};

  auto last = first_torn(*logs);
  if (last == logs->end()) --last;  // only the last can be torn, if any
  const LogPosition end{last->number, last->content.whole_bytes};
  for (const LogFile& log : *logs) {
    if (log.content.synced > end) return damage(*last);
  }

  // From behind, so that a start that is cut off itself leaves the tear where it was.
  for (auto log = std::prev(logs->end()); log != last; --log) {
    if (Status done = cut(*log, 0); !done) return done;
  }
  for (auto log = logs->begin(); log <= last; ++log) {
    if (Status done = cut(*log, log->content.whole_bytes); !done) return done;
  }
  return Ok{};
}

}  // namespace

Status recover_folder(const std::string& path, LogRule rule) {
  Status done = check_files(path, rule);
  if (done) done = recover_manifest(path);
  if (done) done = recover_logs(path);
  return done;
}

}  // namespace sluice::broker
