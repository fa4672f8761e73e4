#pragma once

// Answers that turn in a circle: the same block of tokens again and again.

#include <cstddef>
#include <vector>

#include "base/token_id.h"

namespace glint {

// vLLM's `repetition_detection`.
struct RepetitionLimits {
  int max_pattern_size = 0;  // tokens of a block; 0: no detection
  int min_pattern_size = 1;
  int min_count = 2;  // so many in a row are too many
};

class RepetitionDetector {
 public:
  explicit RepetitionDetector(const RepetitionLimits& limits);

  // True if the tokens so far end with a block of min to max_pattern_size tokens, min_count times
  // in a row. Takes a step for each size.
  bool append(TokenId id);

 private:
  RepetitionLimits limits_;
  std::vector<TokenId> last_;  // a ring: the last max_pattern_size tokens
  size_t num_tokens_ = 0;
  // For each size, how many of the last tokens equal the one that stands `size` before them. A
  // block of that size has come n times when it is (n - 1) * size.
  std::vector<int> equal_;
};

}  // namespace glint
