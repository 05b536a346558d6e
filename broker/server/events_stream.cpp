// GET …/events: a server-sent event for every job of the queue that ends, while the client stays.
#include <charconv>
#include <deque>

#include "broker/server/handlers.h"
#include "broker/server/http_parser.h"
#include "broker/server/limits.h"

namespace sluice::broker {
namespace {

constexpr std::string_view kHead =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"
    "Transfer-Encoding: chunked\r\n\r\n";
constexpr std::string_view kKeepAliveComment = ":\n\n";

// The events that wait for one client, bounded: who reads too slowly is cut off.
class EventReader final : public LineReader {
 public:
  EventReader(Desk& desk, const QueueName& queue, Wait& wait, Peer& peer)
      : desk_(desk), queue_(queue), wait_(wait), peer_(peer) {
    desk_.add_event_stream(queue_, *this);
  }
  ~EventReader() override { desk_.remove_event_stream(queue_, *this); }
  EventReader(const EventReader&) = delete;
  EventReader& operator=(const EventReader&) = delete;

  void push(const std::shared_ptr<const std::string>& events) override {
    if (text_.size() + events->size() > limits::kStreamBytesMax) {
      peer_.abort();
    } else {
      text_.append(*events);
    }
    wait_.wake();
  }

  // Everything that waits, as one chunk; a keep-alive when there is nothing.
  std::string take_chunk() {
    if (text_.empty()) text_ = kKeepAliveComment;
    char size[20];
    const auto end = std::to_chars(size, size + sizeof size, text_.size(), 16).ptr;
    std::string chunk{size, end};
    chunk.append("\r\n").append(text_).append("\r\n");
    text_.clear();
    return chunk;
  }

 private:
  Desk& desk_;
  const QueueName queue_;
  Wait& wait_;
  Peer& peer_;
  std::string text_;
};

}  // namespace

Task<Status> stream_events(Call& call) {
  const QueueName queue = call.match.queue;
  Services& services = call.services;
  Wait wait(call.thread);
  EventReader reader(call.thread.desk, queue, wait, call.peer);
  const Status known =
      co_await ask(services.loop, [&queue](Engine& engine, Now, RecordSink&) -> Status {
        if (auto number = engine.queue_number(queue); !number) return std::move(number).error();
        engine.listen_to_ends(queue);
        return Ok{};
      });
  if (!known) co_return known.error();
  call.peer.watch(wait);
  bool open = co_await call.peer.send(kHead);
  while (open && !call.thread.draining && !call.peer.gone()) {
    const std::string chunk = reader.take_chunk();
    open = co_await call.peer.send(chunk);
    if (open) co_await wait.until(std::chrono::steady_clock::now() + limits::kKeepAlive);
  }
  if (open && !call.peer.gone()) co_await call.peer.send(kLastChunk);
  co_await ask(services.loop, [&queue](Engine& engine, Now, RecordSink&) {
    engine.stop_listening_to_ends(queue);
    return Ok{};
  });
  co_await call.peer.unwatch();
  co_return Ok{};
}

}  // namespace sluice::broker
