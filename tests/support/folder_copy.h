// What was in a folder, to put it back after damage.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

namespace sluice::testing {

// The files of one folder, without folders below.
class FolderCopy {
 public:
  struct File {
    std::string name;
    std::string bytes;
  };

  explicit FolderCopy(std::filesystem::path folder) : folder_(std::move(folder)) {
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      std::ifstream in(entry.path(), std::ios::binary);
      files_.push_back(
          {entry.path().filename().string(), {std::istreambuf_iterator<char>(in), {}}});
    }
  }

  const std::vector<File>& files() const { return files_; }

  void restore() const {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    for (const File& file : files_) write(file.name, file.bytes);
  }
  // As it was, but for one file.
  void restore_with(const std::string& name, const std::string& bytes) const {
    restore();
    write(name, bytes);
  }

 private:
  void write(const std::string& name, const std::string& bytes) const {
    std::ofstream(folder_ / name, std::ios::binary | std::ios::trunc) << bytes;
  }

  std::filesystem::path folder_;
  std::vector<File> files_;
};

}  // namespace sluice::testing
