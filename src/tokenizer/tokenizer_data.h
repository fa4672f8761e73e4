#pragma once

#include <memory>
#include <string_view>

#include "base/result.h"
#include "tokenizer/added_tokens.h"
#include "tokenizer/bpe.h"
#include "tokenizer/vocab.h"

namespace glint {

// What tokenizer.json says; immutable after loading. Not movable: AddedTokens points into itself.
struct TokenizerData {
  TokenizerData(Vocab vocab_in, MergeTable merges_in, TokenId first_added,
                std::vector<AddedToken> added_in)
      : vocab(std::move(vocab_in)),
        merges(std::move(merges_in)),
        added(first_added, std::move(added_in)) {}
  TokenizerData(const TokenizerData&) = delete;
  TokenizerData& operator=(const TokenizerData&) = delete;

  Vocab vocab;
  MergeTable merges;
  AddedTokens added;
};

// `name` stands for the file in errors.
Result<std::shared_ptr<const TokenizerData>> parse_tokenizer_json(std::string_view json_text,
                                                                  std::string_view name);

}  // namespace glint
