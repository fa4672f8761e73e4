#include "api/stop_strings.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/planted_bug.h"

namespace glint {

StopStrings::StopStrings(const std::vector<std::string>& stops) {
  for (const std::string& stop : stops) {
    CHECK(!stop.empty(), "an empty stop string");
    Automaton automaton{.stop = stop, .failure = std::vector<size_t>(stop.size(), 0)};
    for (size_t i = 1, border = 0; i < stop.size(); ++i) {
      while (border > 0 && stop[i] != stop[border]) border = automaton.failure[border - 1];
      if (stop[i] == stop[border]) ++border;
      automaton.failure[i] = border;
    }
    automata_.push_back(std::move(automaton));
  }
}

bool StopStrings::Automaton::step(char c) {
  while (length > 0 && stop[length] != c) {
    length = failure[length - 1];
    if (planted(PlantedBug::kOneBorderTried)) break;
  }
  if (stop[length] == c) ++length;
  return length == stop.size();
}

std::string StopStrings::append(std::string_view text) {
  if (automata_.empty()) return std::string(text);
  if (matched_) return "";
  size_t longest = 0;
  for (const char c : text) {
    held_ += c;
    longest = 0;
    for (Automaton& automaton : automata_) {
      if (automaton.step(c) && (!matched_ || automaton.stop.size() > matched_->size()))
        matched_ = automaton.stop;
      longest = std::max(longest, automaton.length);
    }
    if (matched_) {
      held_.resize(held_.size() - matched_->size());
      return std::exchange(held_, "");
    }
  }
  if (text.empty()) return "";
  std::string shown = held_.substr(0, held_.size() - longest);
  held_.erase(0, shown.size());
  return shown;
}

std::string StopStrings::finish() { return std::exchange(held_, ""); }

}  // namespace glint
