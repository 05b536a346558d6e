// The broker's HTTP API as the commands call it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/http/client.h"

namespace sluice::cli {

// Carries requests; the real one is HTTP, tests answer from memory.
class Transport {
 public:
  using OnLine = std::function<bool(std::string_view line)>;

  virtual ~Transport() = default;

  // As http::Client::send and stream_lines.
  virtual Result<http::Response> send(const http::Request& request) = 0;
  virtual Status stream_lines(const http::Request& request, Duration idle,
                              const OnLine& on_line) = 0;
};

class HttpTransport final : public Transport {
 public:
  explicit HttpTransport(http::Url url, http::ClientOptions options = {})
      : client_(std::move(url), std::move(options)) {}

  Result<http::Response> send(const http::Request& request) override;
  Status stream_lines(const http::Request& request, Duration idle, const OnLine& on_line) override;

 private:
  http::Client client_;
};

// What became of a call.
struct Answer {
  int status = 0;    // 0: no reply came
  std::string body;  // JSON of a good answer
  Error error;       // of any other; from its problem document where there is one
  std::optional<std::chrono::seconds> retry_after;

  bool ok() const { return status >= 200 && status < 300; }
  bool is_unreachable() const { return status == 0; }
};

struct JobsQuery {
  std::string state;  // "Ready,Scheduled"; empty: any
  int limit = 100;
  std::string cursor;
  std::string labels;  // "a=1,b=2"; empty: whatever they are
  bool with_payload = false;
};

// Typed calls on the queues of one namespace. Calls block and are not repeated here: whoever calls
// knows what may be sent twice.
class ServerClient {
 public:
  static constexpr int kPageMax = 1000;  // jobs asked for in one list call

  ServerClient(Transport& transport, std::string namespace_name)
      : transport_(transport), namespace_(std::move(namespace_name)) {}

  const std::string& namespace_name() const { return namespace_; }

  Answer queues(bool all_namespaces);
  Answer queue(std::string_view queue);
  Answer jobs(std::string_view queue, const JobsQuery& query);
  // Waits up to `wait` (60 s at most) for its end.
  Answer job(std::string_view queue, std::string_view id, bool with_payload,
             std::chrono::seconds wait = {});

  Answer group(std::string_view queue, std::string_view id);

  Answer enqueue(std::string_view queue, std::string body);
  Answer enqueue_batch(std::string_view queue, std::string body);
  Answer cancel(std::string_view queue, std::string_view id);
  Answer cancel_jobs(std::string_view queue, std::string body);
  Answer run_job(std::string_view queue, std::string_view id);
  Answer reschedule(std::string_view queue, std::string_view id, std::string body);

  Answer pause(std::string_view queue, std::string body);
  Answer resume(std::string_view queue, std::string body);
  Answer redrive(std::string_view queue, std::string body);
  Answer redrive_status(std::string_view queue, std::string_view id);
  Answer stop_redrive(std::string_view queue, std::string_view id);
  Answer purge(std::string_view queue, std::string body);

  // Blocks until the copy is made, for hours if it takes them.
  Answer create_backup(std::string body);
  Answer backups();
  Answer delete_backup(std::string_view name);

  // Blocks; one call of `on_line` a signal. Returns when it returns false, or when the stream
  // breaks.
  Answer follow_signals(const Transport::OnLine& on_line);
  // The same with the lines of the server-sent events of a queue's jobs.
  Answer follow_events(std::string_view queue, const Transport::OnLine& on_line);

 private:
  Answer follow(std::string target, const Transport::OnLine& on_line);
  std::string narrowed(std::string path) const;
  std::string queue_path(std::string_view queue) const;
  Answer call(std::string method, std::string target, std::string body = {});
  Answer call_for(Duration timeout, std::string method, std::string target, std::string body);

  Transport& transport_;
  std::string namespace_;
};

}  // namespace sluice::cli
