// Text for people: aligned columns, ages, counts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"

namespace sluice::cli {

inline constexpr std::size_t kTableColumnsMax = 100;  // of the terminal, a whole line

struct Column {
  enum class Align { kLeft, kRight };

  std::string title;
  Align align = Align::kLeft;
  bool shrinks = false;  // cut with "…" when the line is too long; names and ids never are
};

// Rows under titles. Control characters in a cell become blanks, so that a job's message can
// neither break the layout nor steer the terminal.
class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // Requires: one cell a column. An empty cell is shown as "-".
  void add_row(std::vector<std::string> cells);

  bool is_empty() const { return rows_.empty(); }

  // Lines ending in '\n', at most `width_max` characters where the columns that shrink allow it.
  std::string render(std::size_t width_max = kTableColumnsMax) const;

 private:
  std::vector<std::size_t> fitted_widths(std::size_t width_max) const;

  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// As kubectl shows ages: "45s", "5m10s", "42m", "3h20m", "17h", "3d5h", "40d". Negative is "0s".
std::string format_age(Duration age);

// The age at `now` of an RFC 3339 time; empty when `text` is none.
std::string format_age_of(std::string_view rfc3339, TimePoint now);

// "1,234,567".
std::string format_count(std::int64_t n);

// "0/s", "0.04/s", "0.4/s", "12/s", "1,200/s"; never 0 for what is not.
std::string format_rate(double per_second);

}  // namespace sluice::cli
