#pragma once

#include <cstdint>
#include <string_view>

#include "base/utf8.h"
#include "tokenizer/unicode_class.h"

namespace glint {

// The only pattern that Pretokenizer matches; a tokenizer.json with another one is refused.
inline constexpr std::string_view kSplitPattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|)"
    R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

// Cuts a text into pre-tokens, one after another, none missing: the matches of kSplitPattern. Every
// character is in one of its classes, so what it does not match is empty. An invalid byte counts as
// a character that is neither letter, number nor blank.
class Pretokenizer {
 public:
  explicit Pretokenizer(std::string_view text) : text_(text) {}

  bool done() const { return at_ == text_.size(); }
  std::string_view next();  // only if not done

  // Characters looked at so far. Grows as the text does: no run is read more than three times.
  uint64_t chars_read() const { return chars_read_; }

 private:
  struct Char {
    UnicodeClass kind;
    size_t end;  // of its bytes
  };
  Char char_at(size_t at);

  // Each returns where its alternative's match from at_ on ends; at_ if there is none.
  size_t match_contraction() const;
  size_t match_word(const Char& first);
  size_t match_number(const Char& first);
  size_t match_symbols(const Char& first);
  size_t match_blanks();

  size_t skip(UnicodeClass kind, size_t at);  // the end of the characters of one kind

  std::string_view text_;
  size_t at_ = 0;
  uint64_t chars_read_ = 0;
};

}  // namespace glint
