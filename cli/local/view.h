// What `sluice dev` shows: a redrawn screen on a terminal, plain lines elsewhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/base/clock.h"

namespace sluice::local {

struct QueueRow {
  std::string name;  // "mail", or "other/mail" outside the default namespace
  std::int64_t ready = 0;
  std::int64_t running = 0;
  std::int64_t scheduled = 0;
  std::int64_t dead = 0;
  std::int64_t backlog = 0;
  int workers_ready = 0;
  int workers_wanted = 0;
  double in_per_second = 0;
  double out_per_second = 0;
  bool paused = false;
  friend bool operator==(const QueueRow&, const QueueRow&) = default;
};

struct ViewState {
  std::string title;  // "sluice dev · http://127.0.0.1:7070 · data in .sluice"
  std::vector<QueueRow> queues;
  std::vector<std::string> messages;  // oldest first; the last ones are shown
};

struct ScreenSize {
  int width = 80;
  int height = 24;
};

// The screen's lines, each cut to the width; no more of them than the height. Control characters
// of names and messages are replaced, so that nothing but us moves the cursor.
std::vector<std::string> render_screen(const ViewState& state, ScreenSize size, bool color);

// "mail: 120 ready, 8 running, 0 dead, 4/4 workers, 35.2/s"
std::string plain_line(const QueueRow& row);

// Writes the state to standard output. On a terminal (`live`) the last frame is drawn over;
// otherwise changed queues get a line, each at most once a second.
//
// Threads: not synchronized.
class View {
 public:
  static constexpr Duration kFrameEvery = std::chrono::milliseconds{200};
  static constexpr Duration kLineEvery = std::chrono::seconds{1};
  static constexpr std::size_t kMessagesMax = 100;

  View(int fd, bool live, bool color) : fd_(fd), live_(live), color_(color) {}
  ~View();  // leaves the terminal as it was
  View(const View&) = delete;
  View& operator=(const View&) = delete;

  bool is_live() const { return live_; }
  void set_title(std::string title) { state_.title = std::move(title); }
  // A message for people: a line at once, or part of the next frame.
  void say(std::string message);
  // The same for what went wrong; the line goes to standard error.
  void complain(std::string message);
  // The figures of every queue, as often as the caller likes.
  void update(std::vector<QueueRow> queues, SteadyPoint now);
  // Shows what kLineEvery held back.
  void flush();

 private:
  void draw(SteadyPoint now);
  void print_changes(SteadyPoint now);
  void keep(std::string message);
  void write(const std::string& text);

  struct Printed {
    std::string line;
    SteadyPoint at;
  };

  const int fd_;
  const bool live_;
  const bool color_;
  ViewState state_;
  SteadyPoint drawn_at_{};
  bool drawn_ = false;
  std::map<std::string, Printed> printed_;  // by queue
};

}  // namespace sluice::local
