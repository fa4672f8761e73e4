// Stop strings beside a search that is plainly right. The first line has the stop strings between
// |; the rest is the text.

#include <algorithm>

#include "api/stop_strings.h"
#include "tests/fuzz/fuzz.h"

namespace glint {
namespace {

std::vector<std::string> split(std::string_view line) {
  std::vector<std::string> stops;
  while (!line.empty()) {
    const size_t end = std::min(line.find('|'), line.size());
    if (end > 0) stops.emplace_back(line.substr(0, end));
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return stops;
}

struct Stopped {
  std::string text;
  std::optional<std::string> matched;
  bool operator==(const Stopped&) const = default;
};

// The match that ends first; of those the longest.
Stopped search(std::string_view text, const std::vector<std::string>& stops) {
  for (size_t end = 1; end <= text.size(); ++end) {
    std::optional<std::string> longest;
    for (const std::string& stop : stops) {
      if (text.substr(0, end).ends_with(stop) && (!longest || stop.size() > longest->size()))
        longest = stop;
    }
    if (longest) return {std::string(text.substr(0, end - longest->size())), longest};
  }
  return {std::string(text), std::nullopt};
}

}  // namespace

void check_input(std::string_view input) {
  const std::vector<std::string> stops = split(take_line(input));
  const Stopped expected = search(input, stops);
  for (const Cut cut : kCuts) {
    StopStrings matcher(stops);
    Stopped found;
    for (const std::string_view piece : cut_bytes(input, cut)) {
      found.text += matcher.append(piece);
      CHECK(expected.text.starts_with(found.text), "showed what may belong to a stop string");
    }
    if (!matcher.matched()) found.text += matcher.finish();
    found.matched = matcher.matched();
    CHECK(found == expected, "\"", found.text, "\" stopped by \"",
          found.matched.value_or("nothing"), "\"; expected \"", expected.text, "\" and \"",
          expected.matched.value_or("nothing"), '"');
  }
}

}  // namespace glint
