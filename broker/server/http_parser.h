// Bytes to requests: Beast's parser, with every doubtful framing refused.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "broker/server/http_message.h"

namespace sluice::broker {

// The shortest end of a chunked body.
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

// Reads one request after the other. Between kHeader and the next feed() the caller looks at the
// request's header and says how long a body it takes.
//
// Refused beside what Beast refuses: more or fewer than one Host, a target that is no path, any
// Transfer-Encoding but a single "chunked", one beside a Content-Length or over HTTP/1.0 (SURVIVAL
// 27: two readers that disagree about where a request ends are a way to smuggle one in).
class HttpParser {
 public:
  enum class Progress {
    kNeedMore,
    kHeader,    // the header is complete; told once
    kDone,      // the request is complete
    kTooLarge,  // the body is over its limit
    kHeaderTooLarge,
    kBroken,  // not HTTP, or framing in doubt: close after answering
  };

  HttpParser();
  ~HttpParser();

  // Before each request but the first.
  void reset();

  // Takes bytes from the front of `bytes`; `consumed` says how many. What is left belongs in front
  // of the next call's bytes.
  Progress feed(std::string_view bytes, std::size_t& consumed);

  void set_body_limit(std::size_t bytes);
  Request& request();
  bool got_some() const;  // a byte of the current request

 private:
  class Machine;
  std::unique_ptr<Machine> machine_;
};

}  // namespace sluice::broker
