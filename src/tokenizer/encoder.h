#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/byte_range.h"
#include "tokenizer/bpe.h"
#include "tokenizer/tokenizer_data.h"

namespace glint {

// One text to ids. Ends early once more than `max_tokens` are certain, so that the work grows with
// them and not with the text: no word is merged that could not fit.
class Encoder {
 public:
  Encoder(const TokenizerData& data, size_t max_tokens)
      : data_(data), max_tokens_(max_tokens), merger_(data.merges) {}

  // One of these, once. Added tokens are matched everywhere, or only in `control`.
  void encode(std::string_view text);
  void encode(std::string_view text, std::span<const ByteRange> control);

  bool over() const { return over_; }
  std::vector<TokenId> take() && { return std::move(ids_); }  // only if not over

  // Characters read and pairs looked up, compared or moved so far.
  uint64_t num_steps() const { return chars_read_ + merger_.num_steps(); }

 private:
  void append_text(std::string_view text);
  void append_pre_token(std::string_view pre_token);
  void append_id(TokenId id);
  bool cannot_fit(std::string_view text) const;

  const TokenizerData& data_;
  size_t max_tokens_;
  BpeMerger merger_;
  std::vector<TokenId> ids_;
  uint64_t chars_read_ = 0;
  bool over_ = false;
};

}  // namespace glint
