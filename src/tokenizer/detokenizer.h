#pragma once

#include <string>

#include "tokenizer/tokenizer.h"

namespace glint {

// Ids to text as they come. A character cut between tokens is held back until it is whole, so the
// pieces are always valid UTF-8, and put together they equal Tokenizer::decode of all the ids.
class Detokenizer {
 public:
  Detokenizer(Tokenizer tokenizer, bool skip_special_tokens);

  std::string append(TokenId id);  // the text that became whole; may be empty
  std::string finish();            // what is still held back, its cut characters as U+FFFD

 private:
  Tokenizer tokenizer_;
  bool skip_special_tokens_;
  std::string held_;  // the first bytes of a character, at most 3
};

}  // namespace glint
