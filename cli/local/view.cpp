#include "cli/local/view.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string_view>
#include <utility>

namespace sluice::local {
namespace {

constexpr int kBarWidth = 16;
constexpr int kMessageLinesMax = 6;
constexpr int kNameWidthMax = 32;

constexpr std::string_view kBold = "\x1b[1m";
constexpr std::string_view kDim = "\x1b[2m";
constexpr std::string_view kRed = "\x1b[31m";
constexpr std::string_view kPlain = "\x1b[0m";
constexpr std::string_view kHideCursor = "\x1b[?25l";
constexpr std::string_view kShowCursor = "\x1b[?25h";
constexpr std::string_view kClearToEndOfLine = "\x1b[K";
constexpr std::string_view kClearBelow = "\x1b[J";
constexpr std::string_view kEnterScreen = "\x1b[?1049h";
constexpr std::string_view kLeaveScreen = "\x1b[?1049l";
constexpr std::string_view kHome = "\x1b[H";

bool continues_character(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

// At most `columns` characters, without control characters. A character counts as one column.
std::string fit(std::string_view text, int columns) {
  std::string result;
  int used = 0;
  for (const char c : text) {
    if (!continues_character(c) && ++used > columns) break;
    const auto byte = static_cast<unsigned char>(c);
    result += byte < 0x20 || byte == 0x7F ? ' ' : c;
  }
  return result;
}

int columns_of(std::string_view text) {
  return static_cast<int>(
      std::count_if(text.begin(), text.end(), [](char c) { return !continues_character(c); }));
}

std::string pad(std::string text, int columns) {
  text.append(static_cast<std::size_t>(std::max(0, columns - columns_of(text))), ' ');
  return text;
}

// Logarithmic: ten jobs are seen beside a million, and the bar need not know the other queues.
std::string backlog_bar(std::int64_t backlog) {
  constexpr double kFull = 6;  // decimal digits
  const double filled = std::log10(static_cast<double>(std::max<std::int64_t>(backlog, 0)) + 1);
  const int cells =
      std::clamp(static_cast<int>(std::ceil(filled / kFull * kBarWidth)), 0, kBarWidth);
  std::string bar;
  for (int i = 0; i < kBarWidth; ++i) bar += i < cells ? "█" : "·";
  return bar;
}

std::string decimal(double value) {
  char text[32];
  // What is little is not nothing.
  std::snprintf(text, sizeof(text), value > 0 && value < 0.095 ? "%.2f" : "%.1f", value);
  return text;
}

std::string columns(const QueueRow& row) {
  char text[160];
  std::snprintf(text, sizeof(text), " %9lld %8lld %9lld %7lld %5d/%-5d %8s %8s%s",
                static_cast<long long>(row.ready), static_cast<long long>(row.running),
                static_cast<long long>(row.scheduled), static_cast<long long>(row.dead),
                row.workers_ready, row.workers_wanted, decimal(row.in_per_second).c_str(),
                decimal(row.out_per_second).c_str(), row.paused ? " paused" : "");
  return text;
}

std::string styled(std::string text, std::string_view style, bool color) {
  return color ? std::string(style) + std::move(text) + std::string(kPlain) : text;
}

}  // namespace

std::vector<std::string> render_screen(const ViewState& state, ScreenSize size, bool color) {
  const auto height = static_cast<std::size_t>(std::max(size.height, 1));
  int name_width = 5;
  for (const QueueRow& row : state.queues) name_width = std::max(name_width, columns_of(row.name));
  name_width = std::min(name_width, kNameWidthMax);

  std::vector<std::string> lines;
  lines.push_back(styled(fit(state.title, size.width), kBold, color));
  lines.emplace_back();
  const std::string header = pad("QUEUE", name_width) + " " + pad("BACKLOG", kBarWidth) +
                             "     READY  RUNNING SCHEDULED    DEAD   WORKERS       IN/S    OUT/S";
  lines.push_back(styled(fit(header, size.width), kDim, color));

  // The messages keep their place at the end; queues beyond the screen are counted.
  const std::size_t messages = std::min<std::size_t>(state.messages.size(), kMessageLinesMax);
  const std::size_t below = messages == 0 ? 0 : messages + 1;
  const std::size_t room = height > lines.size() + below ? height - lines.size() - below : 0;
  const bool all = state.queues.size() <= room;
  const std::size_t shown = all ? state.queues.size() : room - std::min<std::size_t>(room, 1);
  for (std::size_t i = 0; i < shown; ++i) {
    const QueueRow& row = state.queues[i];
    const std::string text =
        pad(fit(row.name, name_width), name_width) + " " + backlog_bar(row.backlog) + columns(row);
    lines.push_back(fit(text, size.width));
  }
  if (!all && room > 0) {
    lines.push_back(fit("… " + std::to_string(state.queues.size() - shown) + " more", size.width));
  }
  if (messages > 0) lines.emplace_back();
  for (std::size_t i = state.messages.size() - messages; i < state.messages.size(); ++i) {
    lines.push_back(fit(state.messages[i], size.width));
  }
  if (lines.size() > height) lines.resize(height);
  return lines;
}

std::string plain_line(const QueueRow& row) {
  return row.name + ": " + std::to_string(row.ready) + " ready, " + std::to_string(row.running) +
         " running, " + (row.scheduled > 0 ? std::to_string(row.scheduled) + " scheduled, " : "") +
         std::to_string(row.dead) + " dead, " + std::to_string(row.workers_ready) + "/" +
         std::to_string(row.workers_wanted) + " workers, " + decimal(row.out_per_second) + "/s" +
         (row.paused ? ", paused" : "");
}

View::~View() {
  if (!live_) return;
  if (drawn_) write(std::string(kLeaveScreen) + std::string(kShowCursor));
  // The screen of before is back; what was said last would be lost with ours.
  const std::size_t kept = std::min<std::size_t>(state_.messages.size(), kMessageLinesMax);
  for (std::size_t i = state_.messages.size() - kept; i < state_.messages.size(); ++i) {
    write(state_.messages[i] + "\n");
  }
}

void View::say(std::string message) {
  if (!live_) write(message + "\n");
  keep(std::move(message));
}

void View::complain(std::string message) {
  if (!live_) std::fprintf(stderr, "%s\n", message.c_str());
  keep(std::move(message));
}

void View::keep(std::string message) {
  state_.messages.push_back(std::move(message));
  if (state_.messages.size() > kMessagesMax) state_.messages.erase(state_.messages.begin());
}

void View::update(std::vector<QueueRow> queues, SteadyPoint now) {
  state_.queues = std::move(queues);
  if (live_) {
    draw(now);
  } else {
    print_changes(now);
  }
}

void View::flush() {
  for (const QueueRow& row : state_.queues) {
    const std::string line = plain_line(row);
    Printed& last = printed_[row.name];
    if (live_ || line == last.line) continue;
    write(line + "\n");
    last.line = line;
  }
}

void View::draw(SteadyPoint now) {
  if (drawn_ && now - drawn_at_ < kFrameEvery) return;
  winsize terminal{};
  ScreenSize size;
  if (::ioctl(fd_, TIOCGWINSZ, &terminal) == 0 && terminal.ws_col > 0) {
    size = {terminal.ws_col, terminal.ws_row};
  }
  // Each frame is one write: no half-drawn screen is ever seen.
  std::string frame;
  if (!drawn_) frame += std::string(kEnterScreen) + std::string(kHideCursor);
  frame += kHome;
  const std::vector<std::string> lines = render_screen(state_, size, color_);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) frame += "\r\n";
    frame += lines[i];
    frame += kClearToEndOfLine;
  }
  frame += kClearBelow;
  write(frame);
  drawn_ = true;
  drawn_at_ = now;
}

void View::print_changes(SteadyPoint now) {
  for (const QueueRow& row : state_.queues) {
    std::string line = plain_line(row);
    const auto last = printed_.find(row.name);
    if (last != printed_.end()) {
      if (last->second.line == line || now - last->second.at < kLineEvery) continue;
    }
    write(line + "\n");
    printed_[row.name] = {std::move(line), now};
  }
  std::erase_if(printed_, [&](const auto& printed) {
    return std::none_of(state_.queues.begin(), state_.queues.end(),
                        [&](const QueueRow& row) { return row.name == printed.first; });
  });
}

void View::write(const std::string& text) {
  std::string_view rest = text;
  while (!rest.empty()) {
    const ssize_t n = ::write(fd_, rest.data(), rest.size());
    if (n <= 0) return;  // nobody reads any more; the work goes on
    rest.remove_prefix(static_cast<std::size_t>(n));
  }
}

}  // namespace sluice::local
