#include "api/repetition.h"

namespace glint {

RepetitionDetector::RepetitionDetector(const RepetitionLimits& limits)
    : limits_(limits),
      last_(static_cast<size_t>(limits.max_pattern_size)),
      equal_(static_cast<size_t>(limits.max_pattern_size) + 1) {}

bool RepetitionDetector::append(TokenId id) {
  if (last_.empty()) return false;
  bool is_repeated = false;
  for (int pattern = limits_.min_pattern_size; pattern <= limits_.max_pattern_size; ++pattern) {
    const auto size = static_cast<size_t>(pattern);
    const bool is_equal = num_tokens_ >= size && last_[(num_tokens_ - size) % last_.size()] == id;
    equal_[size] = is_equal ? equal_[size] + 1 : 0;
    is_repeated |= equal_[size] >= int64_t{pattern} * (limits_.min_count - 1);
  }
  last_[num_tokens_++ % last_.size()] = id;
  return is_repeated;
}

}  // namespace glint
