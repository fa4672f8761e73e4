#include "tokenizer/unicode_class.h"

#include <span>
#include <vector>

namespace glint {
namespace {

struct CodePointRange {
  uint32_t first, last;
};

#include "tokenizer/unicode_classes.inc"

using ClassTable = std::vector<UnicodeClass>;

void set(ClassTable& table, std::span<const CodePointRange> ranges, UnicodeClass value) {
  for (const auto& [first, last] : ranges) {
    for (uint32_t c = first; c <= last; ++c) table[c] = value;
  }
}

// One byte a code point, 1.1 MB, of which a text touches the few pages that its scripts are in.
ClassTable make_table() {
  ClassTable table(0x110000, UnicodeClass::kOther);
  set(table, kLetters, UnicodeClass::kLetter);
  set(table, kNumbers, UnicodeClass::kNumber);
  set(table, kBlanks, UnicodeClass::kBlank);
  table['\r'] = table['\n'] = UnicodeClass::kNewline;
  return table;
}

}  // namespace

UnicodeClass unicode_class(char32_t code_point) {
  static const ClassTable table = make_table();
  return table[code_point];
}

}  // namespace glint
