#include "cli/local/objects_file.h"

#include "cli/local/files.h"

namespace sluice::local {

Status ObjectsFile::load() {
  const auto text = read_file(path_, kBytesMax);
  if (!text && text.error().code == ErrorCode::kNotFound) return Ok{};
  if (!text) return text.error();
  if (Status restored = store_.restore(*text); !restored) {
    return Error{restored.error().code, path_.string() + ": " + restored.error().message};
  }
  saved_version_ = store_.snapshot_version();
  return Ok{};
}

Status ObjectsFile::save() {
  // Read before the content: what changes in between is written again, never missed.
  const std::uint64_t version = store_.snapshot_version();
  if (version == saved_version_) return Ok{};
  if (Status written = write_file_atomically(path_, store_.snapshot()); !written) return written;
  saved_version_ = version;
  return Ok{};
}

Status ObjectsFile::save_if_due(SteadyPoint now) {
  if (now - saved_at_ < kSaveEvery) return Ok{};
  saved_at_ = now;
  return save();
}

}  // namespace sluice::local
