// Files and folders, with what it takes for them to outlive a power cut.
#pragma once

#include <filesystem>
#include <string_view>

#include "common/base/result.h"

namespace sluice::broker {

// Errors are kDiskFull and kUnavailable, and name the file.

// A file that is there, or the entries of a folder.
Status sync_file(const std::filesystem::path& path);
// The folder, the folders below and all of their files.
Status sync_tree(const std::filesystem::path& folder);
// Makes or replaces a file; synced, its folder's entry is not.
Status write_file(const std::filesystem::path& path, std::string_view bytes);
// Likewise, with the bytes of another file.
Status copy_file_synced(const std::filesystem::path& from, const std::filesystem::path& to);

// What a call of the file system said, as an error: "cannot DOING: no space left on device".
Error file_error(std::string_view doing, const std::filesystem::path& path,
                 const std::error_code& error);

}  // namespace sluice::broker
