#include "cli/local/view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>

namespace sluice::local {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

using namespace std::chrono_literals;

QueueRow mail() {
  return {.name = "mail",
          .ready = 120,
          .running = 8,
          .backlog = 120,
          .workers_ready = 4,
          .workers_wanted = 4,
          .out_per_second = 35.24};
}

std::size_t characters(const std::string& text) {
  std::size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return count;
}

// Collects what a View writes.
class Output {
 public:
  Output() { EXPECT_EQ(::pipe(ends_.data()), 0); }
  ~Output() {
    ::close(ends_[0]);
    if (ends_[1] >= 0) ::close(ends_[1]);
  }
  int fd() const { return ends_[1]; }
  std::string read_all() {
    ::close(std::exchange(ends_[1], -1));
    std::string text;
    char buffer[4096];
    for (ssize_t n = 0; (n = ::read(ends_[0], buffer, sizeof(buffer))) > 0;) {
      text.append(buffer, static_cast<std::size_t>(n));
    }
    return text;
  }

 private:
  std::array<int, 2> ends_{-1, -1};
};

TEST(View, ARateThatIsLittleIsNotNothing) {
  QueueRow row = mail();
  row.out_per_second = 0.04;

  EXPECT_THAT(plain_line(row), HasSubstr("0.04/s"));
}

TEST(View, PlainLineNamesTheFigures) {
  EXPECT_EQ(plain_line(mail()), "mail: 120 ready, 8 running, 0 dead, 4/4 workers, 35.2/s");
}

TEST(View, PlainLineNamesWhatIsUnusual) {
  QueueRow row = mail();
  row.scheduled = 3;
  row.paused = true;

  EXPECT_THAT(plain_line(row), AllOf(HasSubstr("3 scheduled"), HasSubstr("paused")));
}

TEST(View, ScreenKeepsWidthAndHeight) {
  ViewState state{.title = std::string(300, 't'), .queues = {}, .messages = {}};
  for (int i = 0; i < 100; ++i) state.queues.push_back({.name = "queue-é-" + std::to_string(i)});
  for (int i = 0; i < 10; ++i) state.messages.push_back(std::string(500, 'm'));

  for (const ScreenSize size : {ScreenSize{80, 24}, ScreenSize{20, 5}, ScreenSize{1, 1}}) {
    SCOPED_TRACE(size.width);
    const auto lines = render_screen(state, size, false);

    EXPECT_LE(lines.size(), static_cast<std::size_t>(size.height));
    for (const std::string& line : lines) {
      EXPECT_LE(characters(line), static_cast<std::size_t>(size.width));
    }
  }
}

TEST(View, ScreenCountsTheQueuesItLeavesOut) {
  ViewState state;
  for (int i = 0; i < 30; ++i) state.queues.push_back({.name = "q" + std::to_string(i)});

  const auto lines = render_screen(state, {80, 13}, false);

  ASSERT_THAT(lines, SizeIs(13));
  EXPECT_EQ(lines.back(), "… 21 more");
}

TEST(View, ControlCharactersOfOthersNeverReachTheTerminal) {
  const ViewState state{.title = "a\x1b[2Jb", .queues = {{.name = "c\x07"}}, .messages = {"d\re"}};

  EXPECT_THAT(render_screen(state, {80, 24}, false),
              Each(AllOf(Not(HasSubstr("\x1b")), Not(HasSubstr("\x07")), Not(HasSubstr("\r")))));
}

TEST(View, ColorOnlyWhenAskedFor) {
  const ViewState state{.title = "t", .queues = {mail()}, .messages = {}};

  EXPECT_THAT(render_screen(state, {80, 24}, true)[0], HasSubstr("\x1b[1m"));
  EXPECT_THAT(render_screen(state, {80, 24}, false), Each(Not(HasSubstr("\x1b"))));
}

TEST(View, BarGrowsWithTheBacklog) {
  ViewState empty{.title = "", .queues = {{.name = "q", .backlog = 0}}, .messages = {}};
  ViewState full{.title = "", .queues = {{.name = "q", .backlog = 5'000'000}}, .messages = {}};

  EXPECT_THAT(render_screen(empty, {80, 24}, false)[3], Not(HasSubstr("█")));
  EXPECT_THAT(render_screen(full, {80, 24}, false)[3], Not(HasSubstr("·")));
}

TEST(View, PlainLinesComeOnChangeAtMostOnceASecond) {
  Output output;
  constexpr SteadyPoint start{100s};
  {
    View view(output.fd(), false, false);
    QueueRow row = mail();
    view.update({row}, start);
    view.update({row}, start + 5s);
    row.ready = 119;
    view.update({row}, start + 6s);
    row.ready = 118;
    view.update({row}, start + 6s + 900ms);
    row.ready = 117;
    view.update({row}, start + 7s);
    row.ready = 0;
    view.update({row}, start + 7s + 1ms);
    view.flush();
  }

  const std::string text = output.read_all();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 4);
  EXPECT_THAT(text,
              AllOf(HasSubstr("120 ready"), HasSubstr("119 ready"), Not(HasSubstr("118 ready")),
                    HasSubstr("117 ready"), HasSubstr(" 0 ready")));
}

TEST(View, LiveScreenIsLimitedInRateAndRestoresTheTerminal) {
  Output output;
  constexpr SteadyPoint start{100s};
  {
    View view(output.fd(), true, true);
    view.say("hello");
    for (int i = 0; i < 10; ++i) view.update({mail()}, start + i * 20ms);
  }

  const std::string text = output.read_all();
  std::size_t frames = 0;
  for (std::size_t at = 0; (at = text.find("\x1b[H", at)) != std::string::npos; ++at) ++frames;
  EXPECT_EQ(frames, 1u);
  EXPECT_THAT(text,
              AllOf(HasSubstr("\x1b[?25l"), HasSubstr("\x1b[?25h"), HasSubstr("\x1b[?1049l")));
  EXPECT_TRUE(text.ends_with("hello\n")) << "what was said outlives the screen";
}

}  // namespace
}  // namespace sluice::local
