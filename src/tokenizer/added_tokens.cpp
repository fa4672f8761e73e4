#include "tokenizer/added_tokens.h"

#include <algorithm>

#include "base/check.h"

namespace glint {

AddedTokens::AddedTokens(TokenId first_id, std::vector<AddedToken> tokens)
    : first_id_(first_id), tokens_(std::move(tokens)) {
  for (const AddedToken& token : tokens_) {
    CHECK(!token.content.empty(), "the added token ", token.id, " is empty");
    ids_.emplace(token.content, token.id);
    by_first_byte_[static_cast<uint8_t>(token.content[0])].push_back(&token);
  }
  for (auto& same_byte : by_first_byte_) {
    std::stable_sort(same_byte.begin(), same_byte.end(), [](const auto* a, const auto* b) {
      return a->content.size() > b->content.size();
    });
  }
}

const AddedToken* AddedTokens::longest_at(std::string_view text, size_t at) const {
  for (const AddedToken* token : by_first_byte_[static_cast<uint8_t>(text[at])]) {
    if (text.substr(at).starts_with(token->content)) return token;
  }
  return nullptr;
}

std::optional<AddedTokens::Match> AddedTokens::search(std::string_view text, size_t from) const {
  for (size_t at = from; at < text.size(); ++at) {
    if (const AddedToken* token = longest_at(text, at)) {
      return Match{{at, at + token->content.size()}, token->id};
    }
  }
  return std::nullopt;
}

std::optional<TokenId> AddedTokens::find(std::string_view content) const {
  const auto found = ids_.find(content);
  if (found == ids_.end()) return std::nullopt;
  return found->second;
}

bool AddedTokens::is_special(TokenId id) const {
  if (id < first_id_) return false;
  const size_t index = static_cast<size_t>(id - first_id_);
  return index < tokens_.size() && tokens_[index].special;
}

}  // namespace glint
