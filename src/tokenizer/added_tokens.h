#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/byte_range.h"
#include "base/token_id.h"

namespace glint {

struct AddedToken {
  TokenId id = 0;
  std::string content;  // as it stands in a text; not empty
  bool special = false;
};

// The tokens that are cut out of a text before it is split: the leftmost, and of those that begin
// at one place the longest.
class AddedTokens {
 public:
  // Ids are first_id, first_id + 1, ... in the order of `tokens`; contents are all different.
  AddedTokens(TokenId first_id, std::vector<AddedToken> tokens);

  struct Match {
    ByteRange range;
    TokenId id;
  };
  // The first one at or after `from`.
  std::optional<Match> search(std::string_view text, size_t from) const;
  std::optional<TokenId> find(std::string_view content) const;
  bool is_special(TokenId id) const;

 private:
  const AddedToken* longest_at(std::string_view text, size_t at) const;

  TokenId first_id_;
  std::vector<AddedToken> tokens_;
  std::unordered_map<std::string_view, TokenId> ids_;              // views into tokens_
  std::array<std::vector<const AddedToken*>, 256> by_first_byte_;  // longest first
};

}  // namespace glint
