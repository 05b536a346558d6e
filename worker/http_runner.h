// Runs http handlers: a POST for every job to a server beside the worker.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "common/base/clock.h"
#include "worker/job_runner.h"

namespace sluice::worker {

// One thread, however many jobs. Jobs can start while the port of the loopback address accepts
// connections. A job whose connection is refused is Released; one whose server goes away after it
// got the job has failed, or a job that ends its server each time would run for ever. Ending a run
// means closing its connection.
class HttpRunner final : public JobRunner {
 public:
  struct Settings {
    int port = 0;
    std::string path = "/";
    std::string queue;
    std::size_t result_bytes_max = 64 * 1024;
    bool posts_parents = false;  // the body is {"payload": …, "parents": …}, not the payload
  };

  HttpRunner(Settings settings, const Clock& clock, RunEvents events);
  ~HttpRunner() override;
  HttpRunner(const HttpRunner&) = delete;
  HttpRunner& operator=(const HttpRunner&) = delete;

  void start(api::ClaimedJob job) override;
  void cancel(const std::string& id) override;
  void lose(const std::string& id) override;
  void terminate_all() override;  // the server itself is told to end by others; replies still count
  void kill_all() override;

 private:
  class Loop;
  std::unique_ptr<Loop> loop_;
};

}  // namespace sluice::worker
