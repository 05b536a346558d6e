#include "tests/support/http_text.h"

#include <algorithm>
#include <cctype>
#include <sstream>

namespace sluice::testing {
namespace {

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

// Header lines after the first line of `head`.
std::map<std::string, std::string> parse_headers(const std::string& head) {
  std::map<std::string, std::string> headers;
  std::istringstream lines(head);
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line)) {
    if (line.ends_with('\r')) line.pop_back();
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const std::size_t value = line.find_first_not_of(' ', colon + 1);
    headers[lower(line.substr(0, colon))] = value == std::string::npos ? "" : line.substr(value);
  }
  return headers;
}

bool fill(ByteStream& stream, std::string& buffer, std::string_view mark) {
  while (buffer.find(mark) == std::string::npos) {
    if (!stream.read_some(buffer)) return false;
  }
  return true;
}

std::string take(std::string& buffer, std::size_t size) {
  std::string taken = buffer.substr(0, size);
  buffer.erase(0, size);
  return taken;
}

}  // namespace

std::optional<ReceivedRequest> read_request(ByteStream& stream, std::string& buffer) {
  constexpr std::string_view kEnd = "\r\n\r\n";
  if (!fill(stream, buffer, kEnd)) return std::nullopt;
  const std::string head = take(buffer, buffer.find(kEnd) + kEnd.size());

  ReceivedRequest request;
  std::istringstream first(head);
  first >> request.method >> request.target;
  request.headers = parse_headers(head);
  const auto length = request.headers.find("content-length");
  const std::size_t size = length == request.headers.end() ? 0 : std::stoul(length->second);
  while (buffer.size() < size) {
    if (!stream.read_some(buffer)) return std::nullopt;
  }
  request.body = take(buffer, size);
  return request;
}

bool AnswerReader::fill_until(std::string_view mark) {
  return fill(stream_, buffer_, mark);
}

std::optional<AnswerStart> AnswerReader::read_start() {
  constexpr std::string_view kEnd = "\r\n\r\n";
  if (!fill_until(kEnd)) return std::nullopt;
  const std::string head = take(buffer_, buffer_.find(kEnd) + kEnd.size());
  AnswerStart start;
  std::istringstream first(head);
  std::string version;
  first >> version >> start.status;
  start.headers = parse_headers(head);
  const auto encoding = start.headers.find("transfer-encoding");
  const auto length = start.headers.find("content-length");
  is_chunked_ = encoding != start.headers.end() && encoding->second == "chunked";
  left_ = length == start.headers.end() ? 0 : std::stoul(length->second);
  ends_with_connection_ = !is_chunked_ && length == start.headers.end() && start.status != 204;
  return start;
}

AnswerReader::Piece AnswerReader::read_body(std::string& into) {
  if (is_chunked_) return read_chunk(into);
  if (ends_with_connection_) {
    into += take(buffer_, buffer_.size());
    if (!into.empty()) return Piece::kBytes;
    return stream_.read_some(into) ? Piece::kBytes : Piece::kEnd;
  }
  if (left_ == 0) return Piece::kEnd;
  if (buffer_.empty() && !stream_.read_some(buffer_)) return Piece::kBroken;
  const std::string bytes = take(buffer_, std::min(left_, buffer_.size()));
  left_ -= bytes.size();
  into += bytes;
  return Piece::kBytes;
}

AnswerReader::Piece AnswerReader::read_chunk(std::string& into) {
  if (left_ == 0) {
    if (!fill_until("\r\n")) return Piece::kBroken;
    left_ = std::stoul(take(buffer_, buffer_.find("\r\n") + 2), nullptr, 16);
    if (left_ == 0) {
      if (!fill_until("\r\n")) return Piece::kBroken;
      take(buffer_, 2);
      return Piece::kEnd;
    }
  }
  if (buffer_.empty() && !stream_.read_some(buffer_)) return Piece::kBroken;
  const std::string bytes = take(buffer_, std::min(left_, buffer_.size()));
  left_ -= bytes.size();
  into += bytes;
  if (left_ == 0) {
    if (!fill_until("\r\n")) return Piece::kBroken;
    take(buffer_, 2);
  }
  return Piece::kBytes;
}

std::string answer_text(int status, std::string_view body,
                        const std::map<std::string, std::string>& headers) {
  std::string text = "HTTP/1.1 " + std::to_string(status) + " Any\r\n";
  if (!headers.contains("Content-Type")) text += "Content-Type: application/json\r\n";
  for (const auto& [name, value] : headers) text += name + ": " + value + "\r\n";
  return text + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

std::string chunk_text(std::string_view bytes) {
  std::ostringstream text;
  text << std::hex << bytes.size() << "\r\n" << bytes << "\r\n";
  return text.str();
}

}  // namespace sluice::testing
