// The expression's grammar; cron.cpp finds the ticks.
#include <algorithm>
#include <array>
#include <cctype>
#include <span>
#include <utility>
#include <vector>

#include "operator/plan/cron.h"
#include "operator/plan/stable_hash.h"

namespace sluice::op {
namespace {

struct Field {
  const char* name;
  int low;
  int high;
  int hash_high;  // H stays where every month and week has it
  std::span<const char* const> names;
  int first_name;
};

constexpr const char* kMonthNames[] = {"jan", "feb", "mar", "apr", "may", "jun",
                                       "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr const char* kWeekdayNames[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};
constexpr int kWeekday = 4;

const std::array<Field, 5> kFields = {{
    {"minute", 0, 59, 59, {}, 0},
    {"hour", 0, 23, 23, {}, 0},
    {"day of month", 1, 31, 28, {}, 0},
    {"month", 1, 12, 12, kMonthNames, 1},
    {"day of week", 0, 7, 6, kWeekdayNames, 0},  // 0 and 7 are Sunday
}};

constexpr std::pair<std::string_view, std::string_view> kMacros[] = {
    {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"},
    {"@weekly", "0 0 * * 0"}, {"@daily", "0 0 * * *"},    {"@midnight", "0 0 * * *"},
    {"@hourly", "0 * * * *"},
};

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

// What one field names, and whether it was left open.
struct FieldValues {
  std::bitset<60> values;
  bool any = false;
};

// Reads one field, an element of its list at a time. Every step yields an Error that names the
// field.
class FieldParser {
 public:
  FieldParser(const Field& field, std::string_view hash_seed)
      : field_(field), hash_(StableHash{}.add(hash_seed).add(field.name).value()) {}

  Result<FieldValues> parse(std::string_view text) {
    FieldValues out;
    for (std::size_t begin = 0; begin <= text.size();) {
      const std::size_t end = std::min(text.find(',', begin), text.size());
      if (auto added = element(text.substr(begin, end - begin), out); !added) {
        return std::move(added).error();
      }
      begin = end + 1;
    }
    return out;
  }

 private:
  struct Range {
    int low;
    int high;
  };

  Error error(const std::string& what) const {
    return {ErrorCode::kInvalidArgument, std::string(field_.name) + ": " + what};
  }

  // `*`, `5`, `1-5`, `H`, `H(0-29)`, each with an optional `/step`.
  Status element(std::string_view text, FieldValues& out) {
    const std::size_t slash = text.find('/');
    const std::string_view base = text.substr(0, slash);
    std::optional<int> step;
    if (slash != std::string_view::npos) {
      auto parsed = parse_step(text.substr(slash + 1));
      if (!parsed) return std::move(parsed).error();
      step = *parsed;
    }
    if (base == "*" || base == "?") {
      out.any = true;
      mark({field_.low, open_end()}, step.value_or(1), out);
      return Ok{};
    }
    if (!base.empty() && (base[0] == 'H' || base[0] == 'h')) return hashed(base, step, out);
    auto range = parse_range(base, step.has_value());
    if (!range) return std::move(range).error();
    mark(*range, step.value_or(1), out);
    return Ok{};
  }

  // One place in the range, or with a step a hashed start of the steps.
  Status hashed(std::string_view base, std::optional<int> step, FieldValues& out) {
    Range range{field_.low, field_.hash_high};
    if (base.size() > 1) {
      if (base.size() < 3 || base[1] != '(' || base.back() != ')') {
        return error("\"" + std::string(base) + "\" is not H or H(low-high)");
      }
      auto inner = parse_range(base.substr(2, base.size() - 3), false);
      if (!inner) return std::move(inner).error();
      range = *inner;
    }
    const int width = range.high - range.low + 1;
    const int places = step ? std::min(*step, width) : width;
    const int start = range.low + static_cast<int>(hash_ % static_cast<unsigned>(places));
    mark({start, step ? range.high : start}, step.value_or(1), out);
    return Ok{};
  }

  Result<Range> parse_range(std::string_view text, bool has_step) {
    const std::size_t dash = text.find('-');
    auto low = parse_value(text.substr(0, dash));
    if (!low) return std::move(low).error();
    if (dash == std::string_view::npos) {
      return Range{*low, has_step ? std::max(*low, open_end()) : *low};  // 5/15 is 5-59/15
    }
    auto high = parse_value(text.substr(dash + 1));
    if (!high) return std::move(high).error();
    if (is_weekday() && *high == 0 && *low > 0) *high = 7;  // SAT-SUN
    if (*low > *high) return error("the range " + std::string(text) + " runs backwards");
    return Range{*low, *high};
  }

  Result<int> parse_value(std::string_view text) {
    const std::string name = lower(text);
    for (std::size_t i = 0; i < field_.names.size(); ++i) {
      if (name == field_.names[i]) return field_.first_name + static_cast<int>(i);
    }
    auto number = parse_number(text);
    if (!number) return number;
    if (*number < field_.low) {
      return error(std::string(text) + " is below " + std::to_string(field_.low));
    }
    if (*number > field_.high) {
      return error(std::string(text) + " is above " + std::to_string(field_.high));
    }
    return number;
  }

  Result<int> parse_step(std::string_view text) {
    auto step = parse_number(text);
    if (!step) return step;
    const int width = open_end() - field_.low + 1;
    if (*step == 0) return error("the step must be at least 1");
    if (*step > width) {
      return error("the step " + std::string(text) + " is above " + std::to_string(width));
    }
    return step;
  }

  Result<int> parse_number(std::string_view text) {
    constexpr std::size_t kDigitsMax = 4;
    const bool is_number =
        !text.empty() && text.size() <= kDigitsMax &&
        std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (!is_number) {
      return text.empty() ? error("a value is missing")
                          : error("\"" + std::string(text) + "\" is not a value");
    }
    int number = 0;
    for (const char c : text) number = number * 10 + (c - '0');
    return number;
  }

  bool is_weekday() const { return field_.high == 7; }
  int open_end() const { return is_weekday() ? 6 : field_.high; }

  void mark(Range range, int step, FieldValues& out) const {
    for (int v = range.low; v <= range.high; v += step) {
      out.values.set(static_cast<std::size_t>(is_weekday() ? v % 7 : v));
    }
  }

  const Field& field_;
  std::uint64_t hash_;
};

std::vector<std::string_view> split_at_blanks(std::string_view text) {
  std::vector<std::string_view> parts;
  for (std::size_t begin = text.find_first_not_of(" \t"); begin != std::string_view::npos;
       begin = text.find_first_not_of(" \t", begin)) {
    const std::size_t end = std::min(text.find_first_of(" \t", begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end;
  }
  return parts;
}

template <std::size_t N>
std::bitset<N> narrow(const std::bitset<60>& values) {
  std::bitset<N> out;
  for (std::size_t i = 0; i < N; ++i) out[i] = values[i];
  return out;
}

}  // namespace

Result<Cron> Cron::parse(std::string_view expression, std::string_view hash_seed) {
  if (expression.size() > kCronBytesMax) {
    return Error{ErrorCode::kInvalidArgument,
                 "the expression is longer than " + std::to_string(kCronBytesMax) + " characters"};
  }
  std::vector<std::string_view> parts = split_at_blanks(expression);
  if (parts.size() == 1 && parts[0].front() == '@') {
    const std::string name = lower(parts[0]);
    const auto* macro = std::find_if(std::begin(kMacros), std::end(kMacros),
                                     [&](const auto& m) { return m.first == name; });
    if (macro == std::end(kMacros)) {
      return Error{ErrorCode::kInvalidArgument,
                   std::string(parts[0]) +
                       " is not one of @yearly, @annually, @monthly, @weekly, @daily, @midnight, "
                       "@hourly"};
    }
    parts = split_at_blanks(macro->second);
  }
  if (parts.size() != kFields.size()) {
    return Error{ErrorCode::kInvalidArgument,
                 "there are " + std::to_string(parts.size()) +
                     " fields, not 5 (minute, hour, day of month, month, day of week)"};
  }
  std::array<FieldValues, kFields.size()> fields;
  for (std::size_t i = 0; i < kFields.size(); ++i) {
    auto values = FieldParser(kFields[i], hash_seed).parse(parts[i]);
    if (!values) return std::move(values).error();
    fields[i] = *values;
  }
  Cron cron;
  cron.minutes_ = fields[0].values;
  cron.hours_ = narrow<24>(fields[1].values);
  cron.days_ = narrow<32>(fields[2].values);
  cron.months_ = narrow<13>(fields[3].values);
  cron.weekdays_ = narrow<7>(fields[kWeekday].values);
  cron.any_day_ = fields[2].any;
  cron.any_weekday_ = fields[kWeekday].any;
  return cron;
}

}  // namespace sluice::op
