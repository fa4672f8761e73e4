#include "tokenizer/pretokenizer.h"

#include <gtest/gtest.h>

#include "base/check.h"

namespace glint {
namespace {

// The pre-tokens with a bar between them.
std::string split(std::string_view text) {
  std::string pieces;
  for (Pretokenizer pre_tokens(text); !pre_tokens.done();) {
    pieces += pieces.empty() ? "" : "|";
    pieces += pre_tokens.next();
  }
  return pieces;
}

TEST(PretokenizerTest, WordsTakeOneCharacterBeforeThem) {
  EXPECT_EQ(split("Hello world"), "Hello| world");
  EXPECT_EQ(split("a  b\tc"), "a| | b|\tc");
  EXPECT_EQ(split("(call)\n\nx"), "(call|)\n\n|x");
  EXPECT_EQ(split("1st \u4f60\u597d\u3002\u518d"), "1|st| \u4f60\u597d|\u3002\u518d");
}

TEST(PretokenizerTest, ContractionsInAnyCaseComeFirst) {
  EXPECT_EQ(split("it's I'LL we'Re"), "it|'s| I|'LL| we|'Re");
  EXPECT_EQ(split("'\u017Fo"), "'\u017F|o") << "long s folds to s";
  EXPECT_EQ(split("'\u212A"), "'\u212A") << "the Kelvin sign is a letter like others";
  EXPECT_EQ(split("'rx'r'"), "'rx|'r|'");
}

TEST(PretokenizerTest, NumbersComeInThreesFromTheLeft) {
  EXPECT_EQ(split("1234567 89"), "123|456|7| |89");
  EXPECT_EQ(split("\u0661\u0662\u0663\u0664\u00BD"), "\u0661\u0662\u0663|\u0664\u00BD");
}

TEST(PretokenizerTest, SymbolsTakeASpaceBeforeAndNewlinesBehind) {
  EXPECT_EQ(split("a -> b;\r\n}"), "a| ->| b|;\r\n|}");
  EXPECT_EQ(split("x\t!"), "x|\t|!") << "the blank before symbols is U+0020 alone";
  EXPECT_EQ(split("e\u0301a"), "e|\u0301a") << "a combining mark is no letter";
}

TEST(PretokenizerTest, BlanksEndAtTheLastNewlineOrLeaveOne) {
  EXPECT_EQ(split(" \n  \n   x"), " \n  \n|  | x");
  EXPECT_EQ(split("a   "), "a|   ");
  EXPECT_EQ(split("\u3000\u20091"), "\u3000|\u2009|1");
  EXPECT_EQ(split("\x1F\u200B"), "\x1F\u200B") << "no White_Space";
}

TEST(PretokenizerTest, InvalidBytesAreSymbols) {
  EXPECT_EQ(split("a\xFF\xC3 b"), "a|\xFF\xC3| b");
  EXPECT_EQ(split("\xE4\xBD x"), "\xE4\xBD| x");
}

// Twice the text, twice the reading; a matcher that went back at every blank would read four times
// as much.
TEST(PretokenizerTest, ReadingGrowsAsTheText) {
  const auto chars_read = [](std::string_view unit, size_t num_bytes) {
    std::string text;
    while (text.size() < num_bytes) text += unit;
    Pretokenizer pre_tokens(text);
    while (!pre_tokens.done()) pre_tokens.next();
    return pre_tokens.chars_read();
  };
  for (const char* unit :
       {"a", "0", " ", "\n", " \n", "  \n  a", "\u0301", "'", "'s", "\xFF", " !"}) {
    SCOPED_TRACE(unit);
    const uint64_t half = chars_read(unit, 1 << 19), whole = chars_read(unit, 1 << 20);
    EXPECT_LE(whole, uint64_t{4} << 20);
    EXPECT_LE(whole, 2 * half + 16);
  }
}

}  // namespace
}  // namespace glint
