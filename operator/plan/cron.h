// Cron expressions: five fields, names, ranges, steps, lists, H, and @hourly…
#pragma once

#include <bitset>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/clock.h"
#include "common/base/result.h"

namespace sluice::op {

inline constexpr std::size_t kCronBytesMax = 256;

// A parsed expression: which minutes, hours, days, months and weekdays it names. Day of month and
// day of week both restricted: either matches; one of them beginning with `*`: both must, as in
// Vixie cron.
//
// A tick is a local time the expression names, as an instant: one in the spring gap is the gap's
// end, one in a repeated autumn hour is the first of the two. So ticks never change their order.
// Times before 1900 and after 9000 have no ticks.
class Cron {
 public:
  // `hash_seed` ("namespace/name") places H. kInvalidArgument names the field and what is wrong
  // with it.
  static Result<Cron> parse(std::string_view expression, std::string_view hash_seed);

  // The first tick after `after` in `time_zone` (IANA name); absent when there is none in the next
  // 8 years (31 February). kInvalidArgument for an unknown zone.
  Result<std::optional<TimePoint>> next(TimePoint after, std::string_view time_zone) const;

  // The last tick at or before `until`, in the same way; looks 8 years back.
  Result<std::optional<TimePoint>> last(TimePoint until, std::string_view time_zone) const;

 private:
  bool names_day(unsigned month, unsigned day, unsigned weekday) const;

  std::bitset<60> minutes_;
  std::bitset<24> hours_;
  std::bitset<32> days_;
  std::bitset<13> months_;
  std::bitset<7> weekdays_;
  bool any_day_ = true;
  bool any_weekday_ = true;
};

// Whether the time zone database knows `time_zone`.
bool is_time_zone(std::string_view time_zone);

}  // namespace sluice::op
