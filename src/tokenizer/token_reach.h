#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace glint {

// How much of a text one token can take: no more than the longest that begins with the same byte.
class TokenReach {
 public:
  // `token` as it stands in a text. One for every byte has to be among them.
  void add(std::string_view token) {
    if (token.empty()) return;
    size_t& longest = longest_[static_cast<uint8_t>(token[0])];
    longest = std::max(longest, token.size());
  }

  // `text` has at least so many tokens, whichever they are. One pass over it.
  size_t min_tokens(std::string_view text) const;

 private:
  std::array<size_t, 256> longest_{};  // bytes, by the first one
};

}  // namespace glint
