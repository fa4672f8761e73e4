#include "tokenizer/token_reach.h"

#include "base/check.h"

namespace glint {

// How far one token can reach, then another from anywhere up to there, and so on.
size_t TokenReach::min_tokens(std::string_view text) const {
  size_t num_tokens = 0, reached = 0, farthest = 0;
  for (size_t at = 0; reached < text.size(); ++num_tokens) {
    for (; at <= reached; ++at)
      farthest = std::max(farthest, at + longest_[static_cast<uint8_t>(text[at])]);
    CHECK(farthest > reached, "no token begins with byte ",
          int{static_cast<uint8_t>(text[reached])});
    reached = farthest;
  }
  return num_tokens;
}

}  // namespace glint
