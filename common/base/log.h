// Structured logging: one line an event, JSON or text, on standard error. Never a payload, a
// result or a token.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "common/base/clock.h"

namespace sluice {

enum class LogLevel { kDebug, kInfo, kWarn, kError };
enum class LogFormat { kText, kJson };

// Once, from main, before any thread logs. Without it: text, info.
void init_logging(std::string_view program, LogLevel level, LogFormat format);

// A fact of an event: {"queue", name}.
struct LogField {
  template <typename T>
    requires std::is_arithmetic_v<T>
  LogField(std::string_view name, T number)
      : key(name), value(std::to_string(number)), quoted(false) {}
  LogField(std::string_view name, bool fact)
      : key(name), value(fact ? "true" : "false"), quoted(false) {}
  LogField(std::string_view name, std::string_view text) : key(name), value(text) {}
  LogField(std::string_view name, const char* text) : key(name), value(text) {}
  LogField(std::string_view name, const std::string& text) : key(name), value(text) {}

  std::string_view key;
  std::string value;
  bool quoted = true;
};

// The line of one event, without its end: text as `TIME LEVEL program event key=value…`, JSON as
// one flat object {"time", "level", "program", "event", key: value…}. Whatever the values hold, it
// is one line of valid UTF-8.
std::string format_log_line(LogFormat format, TimePoint time, LogLevel level,
                            std::string_view program, std::string_view event,
                            std::span<const LogField> fields);

// `event` is a constant phrase ("queue configured"); what varies goes into fields. Any thread.
void log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields = {});

inline void log_debug(std::string_view event, std::initializer_list<LogField> fields = {}) {
  log(LogLevel::kDebug, event, fields);
}
inline void log_info(std::string_view event, std::initializer_list<LogField> fields = {}) {
  log(LogLevel::kInfo, event, fields);
}
inline void log_warn(std::string_view event, std::initializer_list<LogField> fields = {}) {
  log(LogLevel::kWarn, event, fields);
}
inline void log_error(std::string_view event, std::initializer_list<LogField> fields = {}) {
  log(LogLevel::kError, event, fields);
}

}  // namespace sluice
