#include "tokenizer/pretokenizer.h"

#include "base/check.h"

namespace glint {
namespace {

bool is_blank(UnicodeClass kind) {
  return kind == UnicodeClass::kBlank || kind == UnicodeClass::kNewline;
}

// The letters of the pattern are ASCII.
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

}  // namespace

Pretokenizer::Char Pretokenizer::char_at(size_t at) {
  ++chars_read_;
  const Utf8Char c = decode_utf8(text_, at);
  const UnicodeClass kind = c.valid ? unicode_class(c.code_point) : UnicodeClass::kOther;
  return {kind, at + static_cast<size_t>(c.num_bytes)};
}

size_t Pretokenizer::skip(UnicodeClass kind, size_t at) {
  while (at < text_.size()) {
    const Char c = char_at(at);
    if (c.kind != kind) break;
    at = c.end;
  }
  return at;
}

// The alternatives in the pattern's order; the first that matches counts, not the longest.
std::string_view Pretokenizer::next() {
  CHECK(!done(), "the text has ended");
  const size_t begin = at_;
  const Char first = char_at(begin);
  size_t end = match_contraction();
  if (end == begin) end = match_word(first);
  if (end == begin) end = match_number(first);
  if (end == begin) end = match_symbols(first);
  if (end == begin) end = match_blanks();
  at_ = end;
  return text_.substr(begin, end - begin);
}

// (?i:'s|'t|'re|'ve|'m|'ll|'d). Beside the letters' two cases, U+017F (long s) folds to s.
size_t Pretokenizer::match_contraction() const {
  if (text_[at_] != '\'') return at_;
  const std::string_view rest = text_.substr(at_ + 1, 2);
  if (rest.empty()) return at_;
  const char a = lower(rest[0]);
  if (a == 's' || a == 't' || a == 'm' || a == 'd') return at_ + 2;
  if (rest.size() < 2) return at_;
  if (rest == "\u017F") return at_ + 3;
  const char b = lower(rest[1]);
  const bool matches = ((a == 'r' || a == 'v') && b == 'e') || (a == 'l' && b == 'l');
  return matches ? at_ + 3 : at_;
}

// [^\r\n\p{L}\p{N}]?\p{L}+
size_t Pretokenizer::match_word(const Char& first) {
  switch (first.kind) {
    case UnicodeClass::kLetter:
      return skip(UnicodeClass::kLetter, first.end);
    case UnicodeClass::kNumber:
    case UnicodeClass::kNewline:
      return at_;
    default: {
      const size_t end = skip(UnicodeClass::kLetter, first.end);
      return end == first.end ? at_ : end;
    }
  }
}

// \p{N}{1,3}
size_t Pretokenizer::match_number(const Char& first) {
  if (first.kind != UnicodeClass::kNumber) return at_;
  size_t end = first.end;
  for (int num_digits = 1; num_digits < 3 && end < text_.size(); ++num_digits) {
    const Char c = char_at(end);
    if (c.kind != UnicodeClass::kNumber) break;
    end = c.end;
  }
  return end;
}

// " ?[^\s\p{L}\p{N}]+[\r\n]*": the optional blank is U+0020 alone.
size_t Pretokenizer::match_symbols(const Char& first) {
  const bool has_space = text_[at_] == ' ';
  if (!has_space && first.kind != UnicodeClass::kOther) return at_;
  const size_t end = skip(UnicodeClass::kOther, first.end);
  if (has_space && end == first.end) return at_;
  return skip(UnicodeClass::kNewline, end);
}

// \s*[\r\n]+|\s+(?!\S)|\s+: in a run of blanks, up to its last newline; without one, the whole run
// at the end of the text, else all but the last blank, which goes to what follows.
size_t Pretokenizer::match_blanks() {
  size_t end = at_, last_blank = at_, after_newline = at_;
  while (end < text_.size()) {
    const Char c = char_at(end);
    if (!is_blank(c.kind)) break;
    last_blank = end;
    end = c.end;
    if (c.kind == UnicodeClass::kNewline) after_newline = end;
  }
  CHECK(end > at_, "no alternative matches at byte ", at_);
  if (after_newline > at_) return after_newline;
  if (end == text_.size() || last_blank == at_) return end;
  return last_blank;
}

}  // namespace glint
