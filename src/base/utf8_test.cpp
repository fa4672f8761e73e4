#include "base/utf8.h"

#include <gtest/gtest.h>

#include <random>

#include "base/check.h"

namespace glint {
namespace {

std::string utf8(char32_t code_point) {
  std::string text;
  append_utf8(text, code_point);
  return text;
}

TEST(Utf8Test, EveryScalarValueSurvivesARoundTrip) {
  for (char32_t code_point = 0; code_point <= 0x10FFFF; ++code_point) {
    if (code_point == 0xD800) code_point = 0xE000;
    const std::string text = utf8(code_point);
    const Utf8Char c = decode_utf8(text, 0);
    ASSERT_TRUE(c.valid && c.code_point == code_point) << std::hex << uint32_t{code_point};
    ASSERT_EQ(static_cast<size_t>(c.num_bytes), text.size());
  }
}

// The examples of Unicode 15, section 3.9, tables 3-8 to 3-11; Python's bytes.decode(errors =
// "replace") gives the same.
TEST(Utf8Test, EachMaximalSubpartBecomesOneReplacement) {
  const std::string r = "\uFFFD";
  EXPECT_EQ(to_valid_utf8("\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64"),
            "a" + r + r + r + "b" + r + "c" + r + r + "d");
  EXPECT_EQ(to_valid_utf8("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41"),
            r + r + r + r + r + r + r + r + "A");
  EXPECT_EQ(to_valid_utf8("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41"),
            r + r + r + r + r + r + r + r + "A");
  EXPECT_EQ(to_valid_utf8("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42"),
            r + r + r + r + r + "A" + r + r + "B");
  EXPECT_EQ(to_valid_utf8("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"), r + r + r + r + "A");
}

TEST(Utf8Test, InvalidBytesAreFoundWhereverTheyStand) {
  EXPECT_TRUE(is_valid_utf8(""));
  EXPECT_TRUE(is_valid_utf8("caf\u00e9 \u4f60\u597d \U0001F600"));
  for (const char* bad :
       {"\x80", "\xC3", "a\xE2\x82", "\xF0\x9F\x98", "\xED\xA0\x80", "\xC1\x81"}) {
    EXPECT_FALSE(is_valid_utf8(bad)) << bad;
    EXPECT_FALSE(is_valid_utf8(std::string("x") + bad + "y")) << bad;
  }
}

// However a text is cut, holding back the suffix leaves valid text before it, and the bytes held
// back are the beginning of the character that was cut.
TEST(Utf8Test, TheIncompleteSuffixIsExactlyTheCutCharacter) {
  for (const char32_t code_point : {U'a', U'\u00e9', U'\u4f60', U'\U0001F600', U'\U0010FFFF'}) {
    const std::string character = utf8(code_point);
    for (size_t kept = 0; kept < character.size(); ++kept) {
      EXPECT_EQ(incomplete_utf8_suffix("ab" + character.substr(0, kept)), kept);
    }
    EXPECT_EQ(incomplete_utf8_suffix(character), 0u);
  }
}

// Bytes that nothing can complete are not held back: a stream would wait for ever.
TEST(Utf8Test, AnInvalidSuffixIsNotIncomplete) {
  for (const char* text : {"\x80", "\xC3\xA9\x80", "\xC1", "\xE0\x80", "\xED\xA0", "\xF4\x90",
                           "\xF5", "\xFF", "\x80\x80\x80\x80"}) {
    EXPECT_EQ(incomplete_utf8_suffix(text), 0u) << text;
  }
}

// Replacing piece by piece, with the incomplete suffix carried over, equals replacing the whole.
TEST(Utf8Test, RandomBytesGiveTheSameTextWholeAndInPieces) {
  const std::string bytes = "\x41\x80\xA0\xBF\xC2\xE0\xE1\xED\xEF\xF0\xF1\xF4\xFF";
  for (uint32_t seed = 0; seed < 2000; ++seed) {
    SCOPED_TRACE(cat("seed ", seed));
    std::mt19937 rng(seed);
    std::string whole, held, pieces;
    for (int i = 0; i < 12; ++i) {
      const char byte = bytes[rng() % bytes.size()];
      whole += byte;
      held += byte;
      const size_t ready = held.size() - incomplete_utf8_suffix(held);
      pieces += to_valid_utf8(held.substr(0, ready));
      held.erase(0, ready);
    }
    pieces += to_valid_utf8(held);
    ASSERT_EQ(pieces, to_valid_utf8(whole));
    ASSERT_TRUE(is_valid_utf8(pieces));
  }
}

}  // namespace
}  // namespace glint
