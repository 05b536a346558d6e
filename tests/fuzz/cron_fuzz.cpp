// Cron expressions: a tick comes after the time it is asked for, and is found again from behind.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "common/base/check.h"
#include "operator/plan/cron.h"

// Eight bytes are the time in seconds, one chooses the zone, the rest is the expression.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using sluice::TimePoint;
  using sluice::op::Cron;
  if (size < 9) return 0;
  std::int64_t seconds = 0;
  std::memcpy(&seconds, data, sizeof seconds);
  constexpr const char* kZones[] = {"UTC", "Europe/Berlin", "Australia/Lord_Howe",
                                    "America/Havana"};
  const std::string_view zone = kZones[data[8] % 4];
  const std::string_view expression(reinterpret_cast<const char*>(data) + 9, size - 9);

  const auto cron = Cron::parse(expression, "shop/nightly");
  if (!cron) {
    CHECK(!cron.error().message.empty());
    return 0;
  }
  const TimePoint after{std::chrono::seconds{seconds % 300'000'000'000}};
  const auto next = cron->next(after, zone);
  CHECK(static_cast<bool>(next));
  (void)cron->last(after, zone);
  if (!*next) return 0;
  CHECK(**next > after);
  const auto last = cron->last(**next, zone);
  CHECK(last && *last && **last == **next);
  return 0;
}
