// GET /v1/signals: one JSON object a line for as long as the client stays.
#include <deque>

#include "broker/server/access_rules.h"
#include "broker/server/handlers.h"
#include "broker/server/http_parser.h"
#include "broker/server/limits.h"

namespace sluice::broker {
namespace {

constexpr std::string_view kHead =
    "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nCache-Control: no-store\r\n"
    "Transfer-Encoding: chunked\r\n\r\n";
constexpr std::string_view kKeepAliveLine = "\n";

// The lines that wait for one client, bounded: who reads too slowly is cut off and starts anew.
class Stream final : public LineReader {
 public:
  Stream(Desk& desk, Wait& wait, Peer& peer, std::vector<std::string> namespaces)
      : desk_(desk), wait_(wait), peer_(peer), namespaces_(std::move(namespaces)) {
    desk_.add_stream(*this);
  }
  ~Stream() override { desk_.remove_stream(*this); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  void push(const std::shared_ptr<const std::string>& lines) override {
    const auto wanted = namespaces_.empty() ? lines : of_namespaces(*lines);
    if (wanted->empty()) return;
    bytes_ += wanted->size();
    if (bytes_ > limits::kStreamBytesMax) {
      peer_.abort();
    } else {
      lines_.push_back(wanted);
    }
    wait_.wake();
  }

  // Everything that waits, as one chunk; a keep-alive when there is nothing.
  std::string take_chunk() {
    std::string text;
    for (const auto& lines : lines_) text += *lines;
    lines_.clear();
    bytes_ = 0;
    if (text.empty()) text = kKeepAliveLine;
    char size[20];
    const auto end = std::to_chars(size, size + sizeof size, text.size(), 16).ptr;
    return std::string{size, end}.append("\r\n").append(text).append("\r\n");
  }

 private:
  // A line begins with the name of its namespace (Hub::send_lines), which needs no escapes.
  std::shared_ptr<const std::string> of_namespaces(std::string_view lines) const {
    constexpr std::string_view kStart = R"({"namespace":")";
    auto wanted = std::make_shared<std::string>();
    while (!lines.empty()) {
      const std::string_view line = lines.substr(0, lines.find('\n') + 1);
      const std::string_view rest = line.substr(kStart.size());
      if (is_within(namespaces_, rest.substr(0, rest.find('"')))) wanted->append(line);
      lines.remove_prefix(line.size());
    }
    return wanted;
  }

  Desk& desk_;
  Wait& wait_;
  Peer& peer_;
  const std::vector<std::string> namespaces_;
  std::deque<std::shared_ptr<const std::string>> lines_;
  std::size_t bytes_ = 0;
};

Task<void> listen(Call& call, bool begin) {
  Services& services = call.services;
  co_await ask(services.loop, [&services, begin](Engine& engine, Now, RecordSink&) {
    services.signal_streams += begin ? 1 : -1;
    engine.want_signals(services.signal_streams > 0, begin);
    return Ok{};
  });
}

}  // namespace

// Requires: namespaces_of() the target is good.
Task<void> stream_signals(Call& call) {
  Wait wait(call.thread);
  auto namespaces = namespaces_of(call.request.target);
  Stream stream(call.thread.desk, wait, call.peer, *std::move(namespaces));
  call.peer.watch(wait);
  bool open = co_await call.peer.send(kHead);
  co_await listen(call, true);
  while (open && !call.thread.draining && !call.peer.gone()) {
    co_await wait.until(std::chrono::steady_clock::now() + limits::kKeepAlive);
    if (call.peer.gone()) break;
    const std::string chunk = stream.take_chunk();
    open = co_await call.peer.send(chunk);
  }
  if (open && !call.peer.gone()) co_await call.peer.send(kLastChunk);
  co_await listen(call, false);
  co_await call.peer.unwatch();
}

}  // namespace sluice::broker
