// HTTP/1.1 messages on a ByteStream.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "tests/support/byte_stream.h"
#include "tests/support/loopback_server.h"

namespace sluice::testing {

// The next request; nothing when the client has closed. `buffer` keeps what was read beyond it.
std::optional<ReceivedRequest> read_request(ByteStream& stream, std::string& buffer);

struct AnswerStart {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
};

// Reads one answer: its start, then its body piece by piece.
class AnswerReader {
 public:
  explicit AnswerReader(ByteStream& stream) : stream_(stream) {}

  // Nothing when the server has closed.
  std::optional<AnswerStart> read_start();
  enum class Piece { kBytes, kEnd, kBroken };
  // Appends the body's next bytes, without the framing.
  Piece read_body(std::string& into);
  // The next read_body() needs nothing from the connection.
  bool is_ready() const {
    return !buffer_.empty() || (!is_chunked_ && !ends_with_connection_ && left_ == 0);
  }

 private:
  Piece read_chunk(std::string& into);
  bool fill_until(std::string_view mark);

  ByteStream& stream_;
  std::string buffer_;
  bool is_chunked_ = false;
  bool ends_with_connection_ = true;
  std::size_t left_ = 0;  // of the body or of the chunk
};

// A whole answer with its Content-Length.
std::string answer_text(int status, std::string_view body,
                        const std::map<std::string, std::string>& headers = {});

// One chunk of a chunked body.
std::string chunk_text(std::string_view bytes);

}  // namespace sluice::testing
