// Requests as the connection reads them: the same bytes mean the same, however they arrive.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "broker/server/host_check.h"
#include "broker/server/http_parser.h"
#include "broker/server/idempotency.h"
#include "broker/server/router.h"
#include "common/base/check.h"

namespace sluice::broker {
namespace {

constexpr std::size_t kRequestsMax = 8;
constexpr std::size_t kBodyLimitBytes = 2'000;

struct Outcome {
  std::vector<Request> requests;
  HttpParser::Progress end = HttpParser::Progress::kNeedMore;
};

bool is_over_limit(const Request& request) {
  return request.content_length.value_or(0) > kBodyLimitBytes;
}

// Everything a connection would take from `bytes`, which come in pieces of `piece_bytes`.
Outcome read_all(std::string_view bytes, std::size_t piece_bytes) {
  HttpParser parser;
  Outcome outcome;
  std::size_t begin = 0;
  std::size_t end = std::min(piece_bytes, bytes.size());
  while (outcome.requests.size() < kRequestsMax) {
    std::size_t consumed = 0;
    const auto progress = parser.feed(bytes.substr(begin, end - begin), consumed);
    CHECK(consumed <= end - begin);
    begin += consumed;
    if (progress == HttpParser::Progress::kHeader) {
      if (is_over_limit(parser.request())) {  // refused by the header alone
        outcome.end = HttpParser::Progress::kTooLarge;
        return outcome;
      }
      parser.set_body_limit(kBodyLimitBytes);
      if (parser.request().has_body) continue;
    } else if (progress == HttpParser::Progress::kNeedMore) {
      if (end == bytes.size()) return outcome;
      end = std::min(end + piece_bytes, bytes.size());
      continue;
    } else if (progress != HttpParser::Progress::kDone) {
      outcome.end = progress;
      return outcome;
    }
    CHECK(parser.request().body.size() <= kBodyLimitBytes);
    outcome.requests.push_back(std::move(parser.request()));
    parser.reset();
  }
  return outcome;
}

bool is_same(const Request& a, const Request& b) {
  return a.method == b.method && a.target == b.target && a.host == b.host &&
         a.content_type == b.content_type && a.authorization == b.authorization &&
         a.idempotency_key == b.idempotency_key && a.traceparent == b.traceparent &&
         a.protocol_1 == b.protocol_1 && a.keep_alive == b.keep_alive && a.http_1_0 == b.http_1_0 &&
         a.has_body == b.has_body && a.content_length == b.content_length && a.body == b.body;
}

void use(const Request& request) {
  CHECK(request.target.starts_with('/'));
  is_loopback_host(request.host);
  std::string allow;
  (void)match_route(request.method, request.path(), allow);
  constexpr std::string_view kKnown[] = {"waitSeconds", "cursor", "payload"};
  (void)Query::parse(request.target, kKnown);
  if (request.idempotency_key) (void)parse_idempotency_header(*request.idempotency_key);
  is_traceparent(request.traceparent);
}

}  // namespace
}  // namespace sluice::broker

// The first byte is the size of the pieces.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice::broker;
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);

  const Outcome whole = read_all(bytes, bytes.size());
  const Outcome pieces = read_all(bytes, std::size_t{1} + data[0]);

  CHECK(whole.requests.size() == pieces.requests.size());
  for (std::size_t i = 0; i < whole.requests.size(); ++i) {
    CHECK(is_same(whole.requests[i], pieces.requests[i]));
    use(whole.requests[i]);
  }
  // Pieces of a request that is not complete yet may show already that it is broken.
  using Progress = HttpParser::Progress;
  const bool is_open = whole.end == Progress::kNeedMore || pieces.end == Progress::kNeedMore;
  CHECK(is_open || whole.end == pieces.end);
  return 0;
}
