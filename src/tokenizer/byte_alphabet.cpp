#include "tokenizer/byte_alphabet.h"

#include <array>

#include "base/utf8.h"

namespace glint {
namespace {

constexpr size_t kAlphabetEnd = 0x100 + 68;
constexpr int kNoByte = -1;

constexpr bool is_printable(int byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xFF && byte != 0xAD);
}

constexpr std::array<int, kAlphabetEnd> make_byte_of() {
  std::array<int, kAlphabetEnd> byte_of{};
  byte_of.fill(kNoByte);
  size_t next = 0x100;
  for (int byte = 0; byte < 0x100; ++byte) {
    byte_of[is_printable(byte) ? static_cast<size_t>(byte) : next++] = byte;
  }
  return byte_of;
}

constexpr std::array<int, kAlphabetEnd> kByteOf = make_byte_of();

}  // namespace

std::optional<std::string> bytes_from_alphabet(std::string_view token) {
  std::string bytes;
  for (size_t at = 0; at < token.size();) {
    const Utf8Char c = decode_utf8(token, at);
    if (c.code_point >= kAlphabetEnd || kByteOf[c.code_point] == kNoByte) return std::nullopt;
    bytes += static_cast<char>(kByteOf[c.code_point]);
    at += static_cast<size_t>(c.num_bytes);
  }
  return bytes;
}

}  // namespace glint
