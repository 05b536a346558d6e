// `sluice enqueue`: one job from an argument, or many from a stream.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <ostream>

#include "cli/bulk_enqueue.h"
#include "cli/commands.h"
#include "cli/retry.h"

namespace sluice::cli {
namespace {

// A file descriptor that is closed when its owner goes.
class OpenFile {
 public:
  explicit OpenFile(const std::string& path) : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~OpenFile() {
    if (fd_ >= 0) ::close(fd_);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  int fd() const { return fd_; }

 private:
  int fd_;
};

ExitCode enqueue_one(const Context& context, const EnqueueCommand& command) {
  const std::string key =
      command.idempotency_key.empty() ? line_key(context.fresh_key, 1) : command.idempotency_key;
  const auto body = job_body(command.fields, *command.payload, key);
  if (!body) {
    say(context, body.error().message + "; a text needs its quotes: '\"hello\"'");
    return ExitCode::kUsage;
  }

  RetrySchedule retry(RetryLimits{}, context.jitter_seed);
  Answer answer = context.server.enqueue(command.queue, *body);
  bool said = false;
  while (!answer.ok()) {
    const auto wait = retry.next(answer, context.clock.now().steady);
    if (!wait) return fail(context, answer, "enqueue to queue " + command.queue);
    if (!said) say(context, "trying again: " + answer.error.message);
    said = true;
    context.wait(*wait);
    answer = context.server.enqueue(command.queue, *body);
  }

  const auto reply = body_of(context, answer);
  if (!reply) return ExitCode::kFailed;
  if (!print_document(context, *reply)) context.console.out << text_of(*reply, "id") << '\n';
  return ExitCode::kOk;
}

}  // namespace

ExitCode run(const Context& context, const EnqueueCommand& command) {
  if (command.payload) return enqueue_one(context, command);

  if (command.file.empty() && context.console.in_is_terminal) {
    say(context,
        "nothing to enqueue: give a payload as JSON, or --file FILE (- is standard input)");
    return ExitCode::kUsage;
  }
  if (command.file.empty() || command.file == "-") {
    return BulkEnqueue(context, command, context.console.in_fd).run();
  }
  const OpenFile file(command.file);
  if (file.fd() < 0) {
    say(context, "cannot read " + command.file + ": " + std::strerror(errno));
    return ExitCode::kUsage;
  }
  return BulkEnqueue(context, command, file.fd()).run();
}

}  // namespace sluice::cli
