#pragma once

// One line an event on stderr, written by a thread of its own: log_info("listening", {{"port",
// 8000}}) gives "2026-01-02T03:04:05.678Z info listening port=8000".

#include <initializer_list>
#include <string>
#include <string_view>

#include "base/check.h"

namespace glint {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// One key=value pair. Values with spaces or quotes are quoted, control characters escaped.
struct LogField {
  template <typename T>
  LogField(std::string_view k, const T& v) : key(k), value(cat(v)) {}
  std::string key;
  std::string value;
};
using LogFields = std::initializer_list<LogField>;

void set_log_level(LogLevel level);
void log_line(LogLevel level, std::string_view event, LogFields fields = {});
// Waits until the lines before are written, for a second at most. Called before exit.
void flush_log();

inline void log_debug(std::string_view e, LogFields f = {}) { log_line(LogLevel::kDebug, e, f); }
inline void log_info(std::string_view e, LogFields f = {}) { log_line(LogLevel::kInfo, e, f); }
inline void log_warning(std::string_view e, LogFields f = {}) {
  log_line(LogLevel::kWarning, e, f);
}
inline void log_error(std::string_view e, LogFields f = {}) { log_line(LogLevel::kError, e, f); }

}  // namespace glint
