#include "broker/storage/log_scan.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "broker/storage/crc32c.h"

namespace sluice::broker {
namespace {

// The format of RocksDB's log (rocksdb/db/log_format.h): blocks of 32 KiB, each a sequence of
// fragments
//   masked CRC-32C of type and data, 4 bytes · length, 2 bytes · type, 1 byte · data
// with the numbers in little-endian. What is left of a block and too short for a fragment is
// padding. A record is one whole fragment, or a first one, middle ones and a last one.
constexpr std::size_t kBlockBytes = 32 * 1024;
constexpr std::size_t kHeaderBytes = 7;
// Checksums of what only looks like a fragment, behind tears: half a second of them at most.
constexpr std::size_t kSearchBytesMax = 512 * 1024 * 1024;
enum Type : std::uint8_t { kWhole = 1, kFirst = 2, kMiddle = 3, kLast = 4 };

struct Fragment {
  Type type;
  std::string_view data;
  std::size_t size() const { return kHeaderBytes + data.size(); }
};

std::uint32_t little_endian(std::string_view bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;)
    value = value << 8 | static_cast<std::uint8_t>(bytes[i]);
  return value;
}

std::uint32_t masked(std::uint32_t crc) {
  return ((crc >> 15) | (crc << 17)) + 0xA282EAD8u;
}

std::size_t data_bytes(std::string_view header) {
  return little_endian(header.substr(4, 2));
}

bool is_type(std::string_view header) {
  const auto type = static_cast<std::uint8_t>(header[6]);
  return type >= kWhole && type <= kLast;
}

// Whether `rest` begins as a fragment does that ends within it. Requires: it has the size of a
// header.
bool is_header(std::string_view rest) {
  return is_type(rest) && kHeaderBytes + data_bytes(rest) <= rest.size();
}

bool has_checksum_of(std::string_view header, std::string_view typed_data) {
  return little_endian(header.substr(0, 4)) == masked(crc32c(typed_data));
}

// The fragment that `rest` begins with; absent where there is none, or its checksum is wrong.
std::optional<Fragment> fragment_at(std::string_view rest) {
  if (rest.size() < kHeaderBytes || !is_header(rest)) return std::nullopt;
  const std::string_view data = rest.substr(kHeaderBytes, data_bytes(rest));
  if (!has_checksum_of(rest, rest.substr(6, 1 + data.size()))) return std::nullopt;
  return Fragment{static_cast<Type>(rest[6]), data};
}

bool is_zeros(std::string_view bytes) {
  return bytes.find_first_not_of('\0') == std::string_view::npos;
}

class Scan {
 public:
  explicit Scan(std::uint64_t file) : file_(file) {}

  // `block`: all of one, but at the end of the log.
  void block(std::string_view block) {
    std::size_t at = 0;
    while (block.size() - at >= kHeaderBytes) {
      const auto fragment = fragment_at(block.substr(at));
      if (fragment && take(*fragment, begin_ + at)) {
        at += fragment->size();
        continue;
      }
      tear(block.substr(at));
      if (!fragment) at = next_fragment(block, at + 1);
    }
    if (block.size() < kBlockBytes && at < block.size()) tear(block.substr(at));
    begin_ += block.size();
  }

  LogContent end() {
    if (is_in_record_) content_.is_torn = true;
    if (!has_mark_) content_.synced = unmarked_;
    content_.bytes = begin_;
    return content_;
  }

 private:
  // False for a fragment that does not go on with what is before it, unless there was a tear.
  bool take(const Fragment& fragment, std::uint64_t at) {
    const bool begins = fragment.type == kWhole || fragment.type == kFirst;
    if (is_whole_ && begins == is_in_record_) return false;
    if (!is_whole_) content_.is_torn = true;
    if (begins) {
      record_begin_ = at;
      tail_.clear();
    } else if (!is_in_record_) {
      return true;  // of a record whose beginning is lost
    }
    tail_.append(
        fragment.data.substr(fragment.data.size() - std::min(fragment.data.size(), kLogMarkBytes)));
    if (tail_.size() > kLogMarkBytes) tail_.erase(0, tail_.size() - kLogMarkBytes);
    is_in_record_ = fragment.type == kFirst || fragment.type == kMiddle;
    if (!is_in_record_) end_record(at + fragment.size());
    return true;
  }

  void end_record(std::uint64_t end) {
    if (is_whole_) content_.whole_bytes = end;
    const auto mark = mark_at_end(tail_);
    if (!mark && record_begin_ > 0) unmarked_ = {file_, record_begin_};
    if (!mark || (!is_whole_ && !is_at_its_place(*mark))) return;
    has_mark_ = true;
    content_.synced = std::max(content_.synced, mark->synced);
    if (record_begin_ == 0) content_.first_written = mark->written;
  }

  // Whether the batch of `mark` was written where this record begins; padding may be before it.
  bool is_at_its_place(const LogMark& mark) const {
    if (record_begin_ == 0) return true;
    return mark.written.file == file_ && mark.written.offset <= record_begin_ &&
           record_begin_ - mark.written.offset < kHeaderBytes;
  }

  // `rest` of the block begins with no fragment that could stand here.
  void tear(std::string_view rest) {
    if (is_in_record_ || !is_zeros(rest)) content_.is_torn = true;
    is_whole_ = false;
    is_in_record_ = false;
  }

  // Where the next fragment of the block is; its end if there is none.
  std::size_t next_fragment(std::string_view block, std::size_t at) {
    for (; at < block.size() && search_bytes_left_ > 0; ++at) {
      const std::string_view rest = block.substr(at);
      if (rest.size() < kHeaderBytes) break;
      if (!is_header(rest)) continue;
      search_bytes_left_ -= std::min(search_bytes_left_, data_bytes(rest));
      if (fragment_at(rest)) return at;
    }
    return block.size();
  }

  std::uint64_t file_;
  std::uint64_t begin_ = 0;
  std::uint64_t record_begin_ = 0;
  bool is_whole_ = true;  // until the first tear, or the zeros that were written ahead
  bool is_in_record_ = false;
  bool has_mark_ = false;
  std::size_t search_bytes_left_ = kSearchBytesMax;
  std::string tail_;
  LogPosition unmarked_;
  LogContent content_;
};

}  // namespace

LogContent scan_log(std::istream& log, std::uint64_t file) {
  Scan scan(file);
  std::string buffer(kBlockBytes, '\0');
  while (log.read(buffer.data(), static_cast<std::streamsize>(buffer.size())), log.gcount() > 0) {
    scan.block({buffer.data(), static_cast<std::size_t>(log.gcount())});
  }
  return scan.end();
}

bool is_torn_append(std::string_view rest, std::uint64_t begin) {
  constexpr std::uint64_t kSectorBytes = 512;
  if (rest.size() < kHeaderBytes) return true;
  if (has_checksum_of(rest, rest.substr(6))) return false;  // whole, but for its length
  if (is_type(rest) && kHeaderBytes + data_bytes(rest) > rest.size()) return true;
  for (std::uint64_t at = 0; at < rest.size();) {
    const std::uint64_t next =
        std::min<std::uint64_t>(at + kSectorBytes - (begin + at) % kSectorBytes, rest.size());
    if (is_zeros(rest.substr(at, next - at))) return true;
    at = next;
  }
  return false;
}

}  // namespace sluice::broker
