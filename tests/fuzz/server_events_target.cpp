// A server's bytes, as the client reads them: HTTP/1.1, and the server-sent events in its body.

#include "client/response_parser.h"
#include "http/sse.h"
#include "tests/fuzz/fuzz.h"

namespace glint {
namespace {

struct Received {
  bool whole = false;  // else refused, or cut short
  int status = 0;
  std::string body;
  std::vector<SseEvent> events;
  bool operator==(const Received&) const = default;
};

Received read(std::string_view bytes, Cut cut) {
  Received received;
  SseParser events([&](const SseEvent& event) { received.events.push_back(event); });
  ResponseParser parser([&](std::string_view body) {
    received.body += body;
    events.put(body);
  });
  std::string unparsed;
  for (const std::string_view piece : cut_bytes(bytes, cut)) {
    unparsed += piece;
    const auto used = parser.put(unparsed);
    if (!used) return received;
    CHECK(*used <= unparsed.size(), "took more than there was");
    unparsed.erase(0, *used);
    if (parser.done()) break;
  }
  received.whole = parser.done() || parser.end_of_stream().has_value();
  if (parser.header_done()) received.status = parser.response().status;
  return received;
}

// What the server writes is what the client reads.
void check_round_trip(std::string_view text) {
  for (const Cut cut : kCuts) {
    std::vector<SseEvent> events;
    SseParser parser([&](const SseEvent& event) { events.push_back(event); });
    const std::string stream = sse_event(text) + sse_event("after", "next");
    for (const std::string_view piece : cut_bytes(stream, cut)) parser.put(piece);
    CHECK(events.size() == 2, events.size(), " events");
    CHECK(events.back() == (SseEvent{"next", "after"}), "the event after it is ",
          events.back().data);
    if (text.find('\r') == text.npos)  // else line ends become \n
      CHECK(events.front() == (SseEvent{"message", std::string(text)}), "\"", events.front().data,
            '"');
  }
}

}  // namespace

void check_input(std::string_view input) {
  const Received at_once = read(input, Cut::kWhole);
  for (const Cut cut : {Cut::kEverywhere, Cut::kAnywhere}) {
    const Received cut_up = read(input, cut);
    CHECK(cut_up.whole == at_once.whole, "an answer only as it was cut");
    // Of what is none, how much is read and when it is refused depends on the cut.
    if (at_once.whole)
      CHECK(cut_up == at_once, "\"", cut_up.body, "\" and \"", at_once.body, "\", ",
            cut_up.events.size(), " and ", at_once.events.size(), " events");
  }
  check_round_trip(input);
}

}  // namespace glint
