#pragma once

// Server-sent events (WHATWG HTML, section 9.2): the frames that the server writes, and their
// parser for clients.

#include <functional>
#include <string>
#include <string_view>

namespace glint {

// One event: "event: <name>\ndata: <line>\n…\n\n", a data line for each line of `data`. Without a
// name the event line is left out, and the event is a "message". A name has no line breaks.
std::string sse_event(std::string_view data, std::string_view name = {});
// Appends it instead; for many events in one write.
void append_sse_event(std::string& out, std::string_view data, std::string_view name = {});

// Readers ignore it; it shows them, and the proxies between, that we are alive.
inline constexpr std::string_view kSsePing = ": ping\n\n";

struct SseEvent {
  std::string name;  // "message" if the stream gave none
  std::string data;
  bool operator==(const SseEvent&) const = default;
};

// Takes a stream however it is cut, with lines ended by \n, \r\n or \r. An event that the end of
// the stream cuts off is dropped, as the standard wants.
class SseParser {
 public:
  explicit SseParser(std::function<void(const SseEvent&)> on_event)
      : on_event_(std::move(on_event)) {}

  void put(std::string_view bytes);

 private:
  void take_line(std::string_view line);
  void take_field(std::string_view name, std::string_view value);
  void dispatch();

  std::function<void(const SseEvent&)> on_event_;
  std::string line_;                    // begun, its end not yet seen
  std::string name_, data_;             // of the event begun; each data line ends with \n
  bool at_start_ = true;                // where a byte order mark is skipped
  bool after_carriage_return_ = false;  // a \n now belongs to it
};

}  // namespace glint
