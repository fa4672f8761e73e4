#include "http/sse.h"

#include <utility>

#include "base/planted_bug.h"

namespace glint {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// The next line of `text`, which loses it; lines end as in the standard.
std::string_view take_first_line(std::string_view& text) {
  const size_t end = text.find_first_of("\r\n");
  const std::string_view line = text.substr(0, end);
  if (end == text.npos) {
    text = {};
  } else {
    text.remove_prefix(end + (text.substr(end).starts_with("\r\n") ? 2 : 1));
  }
  return line;
}

}  // namespace

void append_sse_event(std::string& out, std::string_view data, std::string_view name) {
  if (!name.empty()) {
    out += "event: ";
    out += take_first_line(name);
    out += '\n';
  }
  bool more = true;
  while (more) {
    more = data.find_first_of("\r\n") != data.npos;  // also an empty line at the end is one
    out += "data: ";
    out += take_first_line(data);
    out += '\n';
  }
  out += '\n';
}

std::string sse_event(std::string_view data, std::string_view name) {
  std::string event;
  event.reserve(data.size() + name.size() + 20);
  append_sse_event(event, data, name);
  return event;
}

void SseParser::put(std::string_view bytes) {
  if (planted(PlantedBug::kLineEndForgotten)) after_carriage_return_ = false;
  while (!bytes.empty()) {
    if (std::exchange(after_carriage_return_, false) && bytes.front() == '\n') {
      bytes.remove_prefix(1);
      continue;
    }
    const size_t end = bytes.find_first_of("\r\n");
    line_ += bytes.substr(0, end);
    if (end == bytes.npos) return;
    after_carriage_return_ = bytes[end] == '\r';
    bytes.remove_prefix(end + 1);
    take_line(std::exchange(line_, {}));
  }
}

void SseParser::take_line(std::string_view line) {
  if (std::exchange(at_start_, false) && line.starts_with(kByteOrderMark)) {
    line.remove_prefix(kByteOrderMark.size());
  }
  if (line.empty()) return dispatch();
  const size_t colon = line.find(':');
  std::string_view value = colon == line.npos ? "" : line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  take_field(line.substr(0, colon), value);
}

// A comment's name is empty; id and retry are for reconnecting, which our clients do not.
void SseParser::take_field(std::string_view name, std::string_view value) {
  if (name == "event") name_ = value;
  if (name == "data") {
    data_ += value;
    data_ += '\n';
  }
}

void SseParser::dispatch() {
  SseEvent event{std::exchange(name_, {}), std::exchange(data_, {})};
  if (event.data.empty()) return;
  event.data.pop_back();
  if (event.name.empty()) event.name = "message";
  on_event_(event);
}

}  // namespace glint
