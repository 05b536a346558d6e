#include "common/base/log.h"

#include <spdlog/formatter.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <memory>
#include <utility>

#include "common/base/log_escape.h"

namespace sluice {
namespace {

std::string_view text_name(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "DEBUG";
    case LogLevel::kInfo:
      return "INFO ";
    case LogLevel::kWarn:
      return "WARN ";
    case LogLevel::kError:
      return "ERROR";
  }
  return "ERROR";
}

std::string_view json_name(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarn:
      return "warn";
    case LogLevel::kError:
      return "error";
  }
  return "error";
}

// What is known only where the line is written.
std::string head(LogFormat format, TimePoint time, LogLevel level, std::string_view program) {
  std::string out;
  if (format == LogFormat::kText) {
    out += format_rfc3339_millis(time);
    out += ' ';
    out += text_name(level);
    out += ' ';
    append_text_escaped(out, program);
    out += ' ';
  } else {
    out += R"({"time":")";
    out += format_rfc3339_millis(time);
    out += R"(","level":")";
    out += json_name(level);
    out += R"(","program":)";
    append_json_string(out, program);
    out += ',';
  }
  return out;
}

std::string tail(LogFormat format, std::string_view event, std::span<const LogField> fields) {
  std::string out;
  if (format == LogFormat::kText) {
    append_text_escaped(out, event);
    for (const LogField& field : fields) {
      out += ' ';
      append_text_escaped(out, field.key);
      out += '=';
      append_text_value(out, field.value);
    }
    return out;
  }
  out += R"("event":)";
  append_json_string(out, event);
  for (const LogField& field : fields) {
    out += ',';
    append_json_string(out, field.key);
    out += ':';
    if (field.quoted || !is_json_literal(field.value)) {
      append_json_string(out, field.value);
    } else {
      out += field.value;
    }
  }
  out += '}';
  return out;
}

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarn:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

LogLevel from_spdlog(spdlog::level::level_enum level) {
  if (level <= spdlog::level::debug) return LogLevel::kDebug;
  if (level == spdlog::level::info) return LogLevel::kInfo;
  if (level == spdlog::level::warn) return LogLevel::kWarn;
  return LogLevel::kError;
}

// Puts the head before a payload that tail() made.
class LineFormatter final : public spdlog::formatter {
 public:
  LineFormatter(std::string program, LogFormat format)
      : program_(std::move(program)), format_(format) {}

  void format(const spdlog::details::log_msg& msg, spdlog::memory_buf_t& line) override {
    const std::string start = head(format_, std::chrono::time_point_cast<Duration>(msg.time),
                                   from_spdlog(msg.level), program_);
    line.append(start.data(), start.data() + start.size());
    line.append(msg.payload.data(), msg.payload.data() + msg.payload.size());
    line.push_back('\n');
  }

  std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<LineFormatter>(program_, format_);
  }

 private:
  std::string program_;
  LogFormat format_;
};

struct Logging {
  LogFormat format = LogFormat::kText;
  spdlog::logger logger{"", std::make_shared<spdlog::sinks::stderr_sink_mt>()};
};

// Never destroyed, so that destructors of statics may log.
Logging& logging() {
  static Logging& instance = []() -> Logging& {
    auto& made = *new Logging;
    made.logger.set_formatter(std::make_unique<LineFormatter>("sluice", LogFormat::kText));
    made.logger.set_level(spdlog::level::info);
    return made;
  }();
  return instance;
}

}  // namespace

void init_logging(std::string_view program, LogLevel level, LogFormat format) {
  Logging& current = logging();
  current.format = format;
  current.logger.set_formatter(std::make_unique<LineFormatter>(std::string(program), format));
  current.logger.set_level(to_spdlog(level));
}

std::string format_log_line(LogFormat format, TimePoint time, LogLevel level,
                            std::string_view program, std::string_view event,
                            std::span<const LogField> fields) {
  return head(format, time, level, program) + tail(format, event, fields);
}

void log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
  Logging& current = logging();
  const auto spd_level = to_spdlog(level);
  if (!current.logger.should_log(spd_level)) return;
  const std::string payload = tail(current.format, event, {fields.begin(), fields.size()});
  current.logger.log(spd_level, spdlog::string_view_t(payload.data(), payload.size()));
}

}  // namespace sluice
