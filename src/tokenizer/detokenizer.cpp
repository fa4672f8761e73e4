#include "tokenizer/detokenizer.h"

#include "base/planted_bug.h"
#include "base/utf8.h"

namespace glint {

Detokenizer::Detokenizer(Tokenizer tokenizer, bool skip_special_tokens)
    : tokenizer_(std::move(tokenizer)), skip_special_tokens_(skip_special_tokens) {}

std::string Detokenizer::append(TokenId id) {
  if (skip_special_tokens_ && tokenizer_.is_special(id)) return {};
  held_ += tokenizer_.token_bytes(id);
  const size_t cut = planted(PlantedBug::kCutCharacterShown) ? 0 : incomplete_utf8_suffix(held_);
  const size_t ready = held_.size() - cut;
  std::string text = to_valid_utf8(std::string_view(held_).substr(0, ready));
  held_.erase(0, ready);
  return text;
}

std::string Detokenizer::finish() {
  std::string text = to_valid_utf8(held_);
  held_.clear();
  return text;
}

}  // namespace glint
