// A stream of lines becomes jobs, in batches, each sent until the server has said what became of
// it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/bulk_reader.h"
#include "cli/context.h"
#include "cli/retry.h"

namespace sluice::cli {

// One bulk call of `sluice enqueue`, or of `sluice import`; run() is called once. Every job carries
// the key of its line, or its id, so that sending a batch again, whole or in parts, makes no
// duplicate.
class BulkEnqueue {
 public:
  BulkEnqueue(const Context& context, const EnqueueCommand& command, int fd);

  // Blocks until the stream ends or the server refuses for good.
  ExitCode run();

 private:
  struct Item {
    std::int64_t line = 0;
    std::string body;
  };

  std::vector<Item> items_of(const BulkBatch& batch);
  // False when it makes no sense to go on.
  bool send(std::span<const Item> items);
  bool take_results(std::span<const Item> items, const Answer& answer);
  bool take_refusal(std::span<const Item> items, const Answer& answer);
  Answer send_patiently(const std::string& body);

  Result<std::string> body_of_line(const BulkLine& line) const;
  void close_group();

  void refuse(std::int64_t line, std::string_view why);
  void complain(std::string_view message);
  void show_progress();
  void clear_progress();
  void finish();

  const Context& context_;
  const EnqueueCommand& command_;
  const char* const verb_;  // "enqueue" or "import"
  const char* const done_;  // "enqueued" or "imported"
  std::string prefix_;
  std::string group_id_;  // empty: the jobs are no group
  BulkReader reader_;
  RetrySchedule retry_;
  std::int64_t enqueued_ = 0;
  std::int64_t refused_ = 0;
  SteadyPoint started_;
  SteadyPoint shown_;
  bool progress_visible_ = false;
  ExitCode stopped_with_ = ExitCode::kOk;
};

}  // namespace sluice::cli
