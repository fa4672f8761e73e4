#pragma once

#include <cstdint>

namespace glint {

// What the split pattern distinguishes: \p{L}, \p{N}, [\r\n], the rest of \s, and everything else
// (combining marks too: they are neither letters nor blanks).
enum class UnicodeClass : uint8_t { kOther, kLetter, kNumber, kNewline, kBlank };

UnicodeClass unicode_class(char32_t code_point);  // code_point <= 0x10FFFF

}  // namespace glint
