#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace glint {

// One code point and the bytes it takes. An invalid byte decodes as U+FFFD with `valid` false; its
// length is that of the maximal subpart to be replaced (Unicode 15, section 3.9, "U+FFFD
// substitution of maximal subparts"; the same as Python's and Rust's lossy decoding).
struct Utf8Char {
  char32_t code_point = 0xFFFD;
  int num_bytes = 1;
  bool valid = false;
};
Utf8Char decode_utf8(std::string_view text, size_t at);  // at < text.size()

void append_utf8(std::string& out, char32_t code_point);
bool is_valid_utf8(std::string_view text);
// Every invalid maximal subpart replaced by one U+FFFD.
std::string to_valid_utf8(std::string_view text);
// How many bytes at the end of `text` begin a character that later bytes could complete; 0..3.
size_t incomplete_utf8_suffix(std::string_view text);

}  // namespace glint
