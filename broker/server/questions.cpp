#include "broker/server/questions.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <iterator>
#include <utility>

namespace sluice::broker {

namespace net = boost::asio;

void Questions::ask(EngineLoop& loop, std::unique_ptr<Question> question) {
  asked_.push_back(std::move(question));
  // Runs behind the handlers that are ready now, which may have more to ask.
  if (asked_.size() == 1) net::post(io_, [this, &loop] { loop.submit(asked_); });
}

void Questions::send_answered() {
  if (answered_.empty()) return;
  bool was_empty = false;
  {
    const std::lock_guard lock(mutex_);
    was_empty = sent_.empty();
    if (was_empty) {
      sent_.swap(answered_);
    } else {
      sent_.insert(sent_.end(), std::make_move_iterator(answered_.begin()),
                   std::make_move_iterator(answered_.end()));
    }
  }
  answered_.clear();
  if (was_empty) net::post(io_, [this] { give_answers(); });
}

void Questions::give_answers() {
  {
    const std::lock_guard lock(mutex_);
    given_.swap(sent_);
  }
  for (const auto& question : given_) question->answer();
  given_.clear();
}

}  // namespace sluice::broker
