#pragma once

#include <memory>
#include <string_view>

#include "base/result.h"
#include "tokenizer/added_tokens.h"
#include "tokenizer/bpe.h"
#include "tokenizer/token_reach.h"
#include "tokenizer/vocab.h"

namespace glint {

// What tokenizer.json says; immutable after loading. Not movable: AddedTokens points into itself.
struct TokenizerData {
  TokenizerData(Vocab vocab_in, MergeTable merges_in, TokenId first_added,
                const std::vector<AddedToken>& added_in)
      : vocab(std::move(vocab_in)), merges(std::move(merges_in)), added(first_added, added_in) {
    for (TokenId id = 0; id < first_added; ++id) reach.add(vocab.bytes(id));
    for (const AddedToken& token : added_in) reach.add(token.content);
  }
  TokenizerData(const TokenizerData&) = delete;
  TokenizerData& operator=(const TokenizerData&) = delete;

  Vocab vocab;
  MergeTable merges;
  AddedTokens added;
  TokenReach reach;
};

// `name` stands for the file in errors.
Result<std::shared_ptr<const TokenizerData>> parse_tokenizer_json(std::string_view json_text,
                                                                  std::string_view name);

}  // namespace glint
