#include "base/utf8.h"

#include <algorithm>

#include "base/check.h"

namespace glint {
namespace {

constexpr char32_t kReplacement = 0xFFFD;

// What may follow a first byte: Unicode 15, table 3-7, "Well-Formed UTF-8 Byte Sequences". Only the
// second byte's range depends on the first; later ones are 80..BF.
struct Sequence {
  int num_bytes = 0;  // 0: no character begins with this byte
  uint8_t second_min = 0x80;
  uint8_t second_max = 0xBF;
};

constexpr Sequence sequence_of(uint8_t first) {
  if (first < 0x80) return {1};
  if (first < 0xC2) return {0};
  if (first < 0xE0) return {2};
  if (first == 0xE0) return {3, 0xA0, 0xBF};  // no overlong forms
  if (first == 0xED) return {3, 0x80, 0x9F};  // no surrogates
  if (first < 0xF0) return {3};
  if (first == 0xF0) return {4, 0x90, 0xBF};  // no overlong forms
  if (first < 0xF4) return {4};
  if (first == 0xF4) return {4, 0x80, 0x8F};  // nothing above U+10FFFF
  return {0};
}

uint8_t byte_at(std::string_view text, size_t at) { return static_cast<uint8_t>(text[at]); }

// How many of the bytes from `at` fit the sequence that the first one begins: all of them, or where
// it breaks off. At least 1, so that an invalid byte is one subpart.
int matching_bytes(std::string_view text, size_t at, const Sequence& sequence) {
  const size_t end = std::min(text.size(), at + static_cast<size_t>(sequence.num_bytes));
  size_t next = at + 1;
  if (next < end && byte_at(text, next) >= sequence.second_min &&
      byte_at(text, next) <= sequence.second_max) {
    ++next;
    while (next < end && (byte_at(text, next) & 0xC0) == 0x80) ++next;
  }
  return static_cast<int>(next - at);
}

}  // namespace

Utf8Char decode_utf8(std::string_view text, size_t at) {
  DCHECK(at < text.size(), at, " of ", text.size());
  const uint8_t first = byte_at(text, at);
  if (first < 0x80) return {first, 1, true};
  const Sequence sequence = sequence_of(first);
  const int num_bytes = matching_bytes(text, at, sequence);
  if (num_bytes != sequence.num_bytes) return {kReplacement, num_bytes, false};
  // 110xxxxx, 1110xxxx and 11110xxx: the first byte's own bits.
  char32_t code_point = first & (0x7Fu >> num_bytes);
  for (int i = 1; i < num_bytes; ++i) {
    code_point = (code_point << 6) | (byte_at(text, at + static_cast<size_t>(i)) & 0x3Fu);
  }
  return {code_point, num_bytes, true};
}

void append_utf8(std::string& out, char32_t code_point) {
  const auto continuation = [&](int shift) {
    out += static_cast<char>(0x80 | ((code_point >> shift) & 0x3F));
  };
  CHECK(code_point <= 0x10FFFF && (code_point < 0xD800 || code_point > 0xDFFF), "U+", std::hex,
        static_cast<uint32_t>(code_point), " is no Unicode scalar value");
  if (code_point < 0x80) {
    out += static_cast<char>(code_point);
  } else if (code_point < 0x800) {
    out += static_cast<char>(0xC0 | (code_point >> 6));
    continuation(0);
  } else if (code_point < 0x10000) {
    out += static_cast<char>(0xE0 | (code_point >> 12));
    continuation(6);
    continuation(0);
  } else {
    out += static_cast<char>(0xF0 | (code_point >> 18));
    continuation(12);
    continuation(6);
    continuation(0);
  }
}

bool is_valid_utf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = decode_utf8(text, at);
    if (!c.valid) return false;
    at += static_cast<size_t>(c.num_bytes);
  }
  return true;
}

std::string to_valid_utf8(std::string_view text) {
  std::string valid;
  valid.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = decode_utf8(text, at);
    const size_t num_bytes = static_cast<size_t>(c.num_bytes);
    if (c.valid) {
      valid.append(text, at, num_bytes);
    } else {
      append_utf8(valid, kReplacement);
    }
    at += num_bytes;
  }
  return valid;
}

size_t incomplete_utf8_suffix(std::string_view text) {
  const size_t longest = std::min<size_t>(text.size(), 3);
  for (size_t num_bytes = 1; num_bytes <= longest; ++num_bytes) {
    const size_t at = text.size() - num_bytes;
    if ((byte_at(text, at) & 0xC0) == 0x80) continue;  // look for the first byte further left
    const Sequence sequence = sequence_of(byte_at(text, at));
    const bool cut = static_cast<size_t>(sequence.num_bytes) > num_bytes &&
                     static_cast<size_t>(matching_bytes(text, at, sequence)) == num_bytes;
    return cut ? num_bytes : 0;
  }
  return 0;
}

}  // namespace glint
