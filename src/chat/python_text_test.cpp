#include "chat/python_text.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace glint {
namespace {

std::string repr(std::string_view json) { return python_repr(take(parse_json(json))); }

TEST(PythonTextTest, StringsShowAsTheyAreAndInsideOthersAsLiterals) {
  EXPECT_EQ(python_str(Json("it's")), "it's");
  EXPECT_EQ(repr(R"(["a", "it's", "say \"x\"", "it's \"x\"", "\\ \n\t\r"])"),
            R"(['a', "it's", 'say "x"', 'it\'s "x"', '\\ \n\t\r'])");
}

TEST(PythonTextTest, EscapesWhatPythonDoesNotPrint) {
  EXPECT_EQ(repr(R"("\u0000\u001f\u007f\u00a0\u00ad")"), R"('\x00\x1f\x7f\xa0\xad')");
  EXPECT_EQ(repr("\"\xE2\x80\x8B\xEF\xBF\xBF\""), R"('\u200b\uffff')");
  EXPECT_EQ(repr("\"\xF4\x8F\xBF\xBF\xF0\x9F\x98\x80\""), "'\\U0010ffff\xF0\x9F\x98\x80'");
}

TEST(PythonTextTest, PrintsConstantsAndNumbers) {
  EXPECT_EQ(repr(R"({"a": [true, false, null], "b": {}, "c": -0.0, "d": 1e15})"),
            "{'a': [True, False, None], 'b': {}, 'c': -0.0, 'd': 1000000000000000.0}");
  EXPECT_EQ(repr("123456789012345678901234567890"), "123456789012345678901234567890");
}

TEST(PythonTextTest, StripsAllOfUnicodesWhiteSpace) {
  EXPECT_EQ(
      python_strip(" \t\n\v\f\r\x1c\x1d\x1e\x1f a b \xC2\x85\xC2\xA0\xE1\x9A\x80\xE3\x80\x80"),
      "a b");
  EXPECT_EQ(
      python_strip("\xE2\x80\x80\xE2\x80\x8A\xE2\x80\xA8\xE2\x80\xA9\xE2\x80\xAF\xE2\x81\x9F"), "");
  EXPECT_EQ(python_strip("\xE2\x80\x8B \xEF\xBB\xBF"), "\xE2\x80\x8B \xEF\xBB\xBF");
  EXPECT_EQ(strip_newlines_left("\n\n a\n"), " a\n");
  EXPECT_EQ(strip_newlines_right("\na \n\n"), "\na ");
  EXPECT_EQ(strip_newlines_right("\n\n"), "");
}

}  // namespace
}  // namespace glint
