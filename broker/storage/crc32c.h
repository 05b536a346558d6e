// CRC-32C (Castagnoli), as RocksDB's log has it.
#pragma once

#include <cstdint>
#include <string_view>

namespace sluice::broker {

// By tables, eight bytes a step: no instruction that a processor may lack.
std::uint32_t crc32c(std::string_view bytes);

}  // namespace sluice::broker
