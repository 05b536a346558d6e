// What a network thread asks the engine, and how the answers come back.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "broker/commit/engine_loop.h"

namespace boost::asio {
class io_context;
}

namespace sluice::broker {

// An engine step whose reply goes back to the network thread that asked.
class Question : public Command {
 public:
  // On that thread.
  virtual void answer() = 0;
};

// The questions of one network thread. Those of the requests that were read in one go are submitted
// together, and the answers of one batch wake the thread once.
class Questions {
 public:
  explicit Questions(boost::asio::io_context& io) : io_(io) {}

  // On the network thread.
  void ask(EngineLoop& loop, std::unique_ptr<Question> question);

  // On the commit thread.
  void add_answered(std::unique_ptr<Question> question) {
    answered_.push_back(std::move(question));
  }
  void send_answered();

 private:
  using Batch = std::vector<std::unique_ptr<Question>>;
  void give_answers();

  boost::asio::io_context& io_;
  std::vector<std::unique_ptr<Command>> asked_;  // the network thread's
  Batch given_;                                  // its too
  Batch answered_;                               // the commit thread's
  std::mutex mutex_;
  Batch sent_;  // on the way from one to the other
};

}  // namespace sluice::broker
