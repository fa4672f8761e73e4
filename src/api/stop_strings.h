#pragma once

// Stop strings in a text that comes in pieces. The outcome does not depend on where the pieces are
// cut: the match is the one that ends first; of those, the longest.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace glint {

class StopStrings {
 public:
  // None of them empty.
  explicit StopStrings(const std::vector<std::string>& stops);

  // What may be shown now: all text so far but a tail that might be the beginning of a stop string.
  // After a match: the text before it, and nothing from then on.
  std::string append(std::string_view text);
  // The tail, when no more text will come.
  std::string finish();

  const std::optional<std::string>& matched() const { return matched_; }

 private:
  // Knuth, Morris and Pratt's automaton: O(1) a byte, amortised.
  struct Automaton {
    std::string stop;
    std::vector<size_t> failure;  // longest proper border of each prefix
    size_t length = 0;            // how much of `stop` the text ends with
    bool step(char c);
  };

  std::vector<Automaton> automata_;
  std::string held_;  // at least as long as the longest `length`
  std::optional<std::string> matched_;
};

}  // namespace glint
