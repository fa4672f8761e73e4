#include "base/log.h"

#include <spdlog/async.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <thread>

namespace glint {
namespace {

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

constexpr auto kFlushPoll = std::chrono::milliseconds(1);
constexpr int kMaxFlushPolls = 1000;  // nobody may read what we write

// 8,192 lines in flight, and one thread that writes them.
const std::shared_ptr<spdlog::details::thread_pool>& writer() {
  static const auto instance = std::make_shared<spdlog::details::thread_pool>(8192, 1);
  return instance;
}

// When the disk or terminal cannot keep up, the oldest lines are dropped rather than a request
// delayed.
spdlog::logger& logger() {
  static const std::shared_ptr<spdlog::logger> instance = [] {
    auto made = std::make_shared<spdlog::async_logger>(
        "glint", std::make_shared<spdlog::sinks::stderr_sink_mt>(), writer(),
        spdlog::async_overflow_policy::overrun_oldest);
    made->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc);
    made->flush_on(spdlog::level::info);
    return made;
  }();
  return *instance;
}

// Control characters: ASCII's, and U+0080 to U+009F, which terminals act on as well. How many bytes
// one has at `at`; 0: there is none.
size_t control_size(std::string_view value, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(value[i]); };
  if (byte(at) < 0x20 || byte(at) == 0x7f) return 1;
  return byte(at) == 0xC2 && at + 1 < value.size() && byte(at + 1) < 0xA0 ? 2 : 0;
}

bool needs_quotes(std::string_view value) {
  if (value.empty()) return true;
  for (size_t i = 0; i < value.size(); ++i) {
    const char c = value[i];
    if (c == ' ' || c == '"' || c == '\\' || c == '=' || control_size(value, i) > 0) return true;
  }
  return false;
}

void append_escaped(std::string& line, std::string_view bytes) {
  constexpr char kHex[] = "0123456789abcdef";
  for (const char c : bytes) {
    line += "\\x";
    line += kHex[(static_cast<unsigned char>(c) >> 4) & 15];
    line += kHex[static_cast<unsigned char>(c) & 15];
  }
}

void append_value(std::string& line, std::string_view value) {
  if (!needs_quotes(value)) {
    line += value;
    return;
  }
  line += '"';
  for (size_t i = 0; i < value.size();) {
    const size_t control = control_size(value, i);
    const size_t size = std::max<size_t>(control, 1);
    if (value[i] == '"' || value[i] == '\\') line += '\\';
    if (control > 0) append_escaped(line, value.substr(i, size));
    if (control == 0) line += value[i];
    i += size;
  }
  line += '"';
}

}  // namespace

void set_log_level(LogLevel level) { logger().set_level(to_spdlog(level)); }

void log_line(LogLevel level, std::string_view event, LogFields fields) {
  std::string line(event);
  for (const LogField& field : fields) {
    line += ' ';
    line += field.key;
    line += '=';
    append_value(line, field.value);
  }
  logger().log(to_spdlog(level), "{}", line);
}

// spdlog's flush() (1.10) queues a request to flush, and returns. Once the writer has taken that,
// it has written the lines before.
void flush_log() {
  logger().flush();
  for (int i = 0; i < kMaxFlushPolls && writer()->queue_size() > 0; ++i)
    std::this_thread::sleep_for(kFlushPoll);
}

}  // namespace glint
