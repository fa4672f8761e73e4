#include "eval/last_number.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "eval/data_file.h"

namespace glint {
namespace {

TEST(LastNumber, IsReadAsSglangReadsIt) {
  EXPECT_EQ(last_number("3*4=<<3*4=12>>12 pens.\n#### 12"), "12");
  EXPECT_EQ(last_number("It is 1,234 dollars."), "1234");
  EXPECT_EQ(last_number("12.50"), "50");
  EXPECT_EQ(last_number("-7"), "7");
  EXPECT_EQ(last_number("0"), "0");
  EXPECT_EQ(last_number("none"), std::nullopt);
  EXPECT_EQ(last_number("1 or 07"), std::nullopt);
  EXPECT_EQ(last_number(std::string(4300, '9')), std::string(4300, '9'));
  EXPECT_EQ(last_number(std::string(4301, '9')), std::nullopt);
}

// tests/e2e/eval_test.py holds the same file against Python's re and ast.
TEST(LastNumber, AgreesOnEachHandMadeAnswer) {
  const auto lines =
      read_json_lines(GLINT_SOURCE_DIR "/tests/data/gsm8k_answers.jsonl", {"text", "number"}, 1000);
  ASSERT_TRUE(lines) << lines.error().message;
  EXPECT_GE(lines->size(), 200U);
  for (const Json& line : *lines) {
    const std::string text = string_member(line, "text");
    const auto number = last_number(text);
    EXPECT_EQ(number.has_value(), !line["number"].is_null()) << text;
    EXPECT_EQ(number.value_or(""), string_member(line, "number")) << text;
  }
}

}  // namespace
}  // namespace glint
