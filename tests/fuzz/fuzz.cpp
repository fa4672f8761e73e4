#include "tests/fuzz/fuzz.h"

#include <algorithm>
#include <random>

#include "base/utf8.h"

namespace glint {
namespace {

// FNV-1a, 32 bits (Fowler, Noll and Vo): the same on every machine.
uint32_t hash_of(std::string_view text) {
  uint32_t hash = 2166136261u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  return hash;
}

size_t one_byte(std::string_view, size_t) { return 1; }
size_t one_character(std::string_view text, size_t at) {
  return static_cast<size_t>(decode_utf8(text, at).num_bytes);
}

// Pieces of whole units, each as long as `unit_bytes` says.
std::vector<std::string_view> cut_units(std::string_view text, Cut cut,
                                        size_t (*unit_bytes)(std::string_view, size_t)) {
  if (cut == Cut::kWhole) return {text};
  std::minstd_rand random(hash_of(text) | 1);
  const uint32_t mean = 1 + random() % 32;
  std::vector<std::string_view> pieces;
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {
    at += unit_bytes(text, at);
    if (cut == Cut::kAnywhere && at < text.size() && random() % mean != 0) continue;
    pieces.push_back(text.substr(begin, at - begin));
    begin = at;
  }
  return pieces;
}

}  // namespace

std::vector<std::string_view> cut_bytes(std::string_view text, Cut cut) {
  return cut_units(text, cut, one_byte);
}

std::vector<std::string_view> cut_characters(std::string_view text, Cut cut) {
  return cut_units(text, cut, one_character);
}

std::string_view take_line(std::string_view& text) {
  const size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

}  // namespace glint
