#include "cli/table.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>

#include "common/base/check.h"

namespace sluice::cli {
namespace {

constexpr std::size_t kGap = 2;           // blanks between columns
constexpr std::size_t kShrunkenMin = 10;  // a column is never cut below this
constexpr std::string_view kEllipsis = "…";

bool begins_character(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
}

// Characters, not bytes; wide ones count as one, which costs alignment and nothing else.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), begins_character));
}

std::string cut(std::string_view text, std::size_t width) {
  if (width_of(text) <= width) return std::string(text);
  std::size_t kept = 0;
  std::size_t end = 0;
  while (end < text.size()) {
    if (begins_character(text[end]) && ++kept == width) break;
    ++end;
  }
  return std::string(text.substr(0, end)).append(kEllipsis);
}

std::string printable(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  }
  return text;
}

void append_cell(std::string& line, const Column& column, std::string_view cell,
                 std::size_t width) {
  const std::string text = cut(cell, width);
  const std::string padding(width - width_of(text), ' ');
  line += column.align == Column::Align::kRight ? padding + text : text + padding;
}

}  // namespace

void Table::add_row(std::vector<std::string> cells) {
  CHECK(cells.size() == columns_.size());
  for (std::string& cell : cells) cell = cell.empty() ? "-" : printable(std::move(cell));
  rows_.push_back(std::move(cells));
}

std::vector<std::size_t> Table::fitted_widths(std::size_t width_max) const {
  std::vector<std::size_t> widths;
  for (const Column& column : columns_) widths.push_back(width_of(column.title));
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }

  const std::size_t gaps = kGap * (columns_.size() - 1);
  std::size_t total = std::accumulate(widths.begin(), widths.end(), gaps);
  // The widest gives first, so that short columns stay whole as long as possible.
  while (total > width_max) {
    std::size_t widest = columns_.size();
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (!columns_[i].shrinks || widths[i] <= kShrunkenMin) continue;
      if (widest == columns_.size() || widths[i] > widths[widest]) widest = i;
    }
    if (widest == columns_.size()) break;
    --widths[widest];
    --total;
  }
  return widths;
}

std::string Table::render(std::size_t width_max) const {
  const std::vector<std::size_t> widths = fitted_widths(width_max);
  std::string text;
  const auto append_line = [&](auto&& cell_at) {
    std::string line;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (i > 0) line.append(kGap, ' ');
      append_cell(line, columns_[i], cell_at(i), widths[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + '\n';
  };

  append_line([&](std::size_t i) -> const std::string& { return columns_[i].title; });
  for (const auto& row : rows_) {
    append_line([&](std::size_t i) -> const std::string& { return row[i]; });
  }
  return text;
}

std::string format_age(Duration age) {
  using std::to_string;
  const auto seconds =
      std::max<std::int64_t>(0, std::chrono::duration_cast<std::chrono::seconds>(age).count());
  const std::int64_t minutes = seconds / 60;
  const std::int64_t hours = minutes / 60;
  const std::int64_t days = hours / 24;
  // Two units while the smaller one still tells something.
  const auto pair = [](std::int64_t big, char big_unit, std::int64_t small, char small_unit) {
    std::string text = to_string(big) + big_unit;
    if (small > 0) text += to_string(small) + small_unit;
    return text;
  };
  if (seconds < 120) return to_string(seconds) + "s";
  if (minutes < 10) return pair(minutes, 'm', seconds % 60, 's');
  if (hours < 3) return to_string(minutes) + "m";
  if (hours < 8) return pair(hours, 'h', minutes % 60, 'm');
  if (days < 2) return to_string(hours) + "h";
  if (days < 8) return pair(days, 'd', hours % 24, 'h');
  return to_string(days) + "d";
}

std::string format_age_of(std::string_view rfc3339, TimePoint now) {
  const auto t = parse_rfc3339(rfc3339);
  return t ? format_age(now - *t) : std::string();
}

std::string format_count(std::int64_t n) {
  std::string text = std::to_string(n);
  const std::ptrdiff_t digits_from = n < 0 ? 1 : 0;
  for (auto i = static_cast<std::ptrdiff_t>(text.size()) - 3; i > digits_from; i -= 3) {
    text.insert(static_cast<std::size_t>(i), ",");
  }
  return text;
}

std::string format_rate(double per_second) {
  if (per_second <= 0) return "0/s";
  if (per_second < 0.01) return "<0.01/s";
  if (per_second >= 10) return format_count(std::llround(per_second)) + "/s";
  char text[16];
  std::snprintf(text, sizeof text, per_second < 0.095 ? "%.2f/s" : "%.1f/s", per_second);
  return text;
}

}  // namespace sluice::cli
