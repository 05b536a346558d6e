#include "broker/storage/key_value_engine.h"

namespace sluice::broker {

Status KeyValueEngine::checkpoint(const std::string&) {
  return Error{ErrorCode::kInvalidArgument, "this store has no files to copy"};
}

std::uint64_t KeyValueEngine::checkpoint_bytes_max(const std::string&) const {
  return 0;
}

std::string end_of_prefix(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && static_cast<unsigned char>(end.back()) == 0xFF) end.pop_back();
  if (!end.empty()) end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
  return end;
}

}  // namespace sluice::broker
