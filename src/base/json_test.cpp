#include "base/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

namespace glint {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string message_of(const Result<Json>& result) {
  return result ? "parsed" : result.error().message;
}

std::string compact(std::string_view text) {
  const auto value = parse_json(text);
  return value ? to_json_text(*value) : value.error().message;
}

std::string python(std::string_view text) {
  const auto value = parse_json(text);
  return value ? to_python_json(*value) : value.error().message;
}

TEST(JsonTest, KeepsTheOrderOfKeys) {
  EXPECT_EQ(compact(R"( {"b": 1, "a": [true, null, "x"]} )"), R"({"b":1,"a":[true,null,"x"]})");
}

TEST(JsonTest, ADoubledKeyKeepsTheFirstPlaceAndTheLastValue) {
  EXPECT_EQ(compact(R"({"a":1,"b":2,"a":3})"), R"({"a":3,"b":2})");
  std::string text = "{", expected = "{";
  for (int i = 0; i < 40; ++i) {
    text += cat("\"k", i, "\":0,");
    expected += cat(i ? "," : "", "\"k", i, "\":", i);
  }
  for (int i = 0; i < 40; ++i) text += cat(i ? "," : "", "\"k", i, "\":", i);
  EXPECT_EQ(compact(text + "}"), expected + "}");
}

TEST(JsonTest, IntegersKeepTheirDigits) {
  EXPECT_EQ(compact("[9223372036854775807,-9223372036854775808,18446744073709551615]"),
            "[9223372036854775807,-9223372036854775808,18446744073709551615]");
  const auto big = parse_json("-123456789012345678901234567890");
  ASSERT_TRUE(big.has_value());
  EXPECT_EQ(big_integer(*big), "-123456789012345678901234567890");
  EXPECT_EQ(to_json_text(*big), "-123456789012345678901234567890");
  EXPECT_EQ(to_python_json(*big), "-123456789012345678901234567890");
  EXPECT_EQ(big_integer(Json(1)), std::nullopt);
  EXPECT_EQ(compact("-0"), "0");  // Python's int has no negative zero
}

TEST(JsonTest, AnErrorSaysWhatAndWhere) {
  EXPECT_EQ(message_of(parse_json("")),
            "invalid JSON at byte 0: syntax error while parsing value - unexpected end of input; "
            "expected '[', '{', or a literal");
  EXPECT_THAT(message_of(parse_json(R"({"a":1,})")), StartsWith("invalid JSON at byte 7: "));
  EXPECT_THAT(message_of(parse_json(R"({"a" 1})")), HasSubstr("object separator"));
  EXPECT_THAT(message_of(parse_json("[1] x")), HasSubstr("expected end of input"));
  EXPECT_THAT(message_of(parse_json("[01]")), StartsWith("invalid JSON at byte 2: "));
  EXPECT_THAT(message_of(parse_json("nul")), StartsWith("invalid JSON at byte 3: "));
  EXPECT_EQ(message_of(parse_json("[NaN]")),
            "invalid JSON at byte 1: syntax error while parsing value - invalid literal");
  EXPECT_EQ(parse_json("[").error().code, ErrorCode::kInvalidRequest);
}

TEST(JsonTest, AnErrorDoesNotRepeatTheText) {
  const std::string long_token = "\"" + std::string(100'000, 'x') + "\xff\"";
  EXPECT_EQ(message_of(parse_json(long_token)),
            "invalid JSON at byte 100001: syntax error while parsing value - invalid string: "
            "ill-formed UTF-8 byte");
}

TEST(JsonTest, RefusesWhatNoUtf8TextCanHold) {
  EXPECT_THAT(message_of(parse_json("\"a\xc3\"")), HasSubstr("byte 3: "));
  EXPECT_THAT(message_of(parse_json("\"\xed\xa0\x80\"")), HasSubstr("ill-formed UTF-8"));
  EXPECT_THAT(message_of(parse_json(R"("\ud800")")), HasSubstr("surrogate"));
  EXPECT_THAT(message_of(parse_json(R"("\udc00")")), HasSubstr("surrogate"));
  EXPECT_EQ(compact(R"("\ud83d\ude00")"), "\"\xF0\x9F\x98\x80\"");
  const std::string_view with_zero("{}\0{}", 5);
  EXPECT_EQ(message_of(parse_json(with_zero)), "invalid JSON at byte 2: a zero byte");
}

TEST(JsonTest, RefusesNumbersBeyondADouble) {
  EXPECT_EQ(message_of(parse_json("[1e999]")),
            "invalid JSON at byte 5: number out of range: 1e999");
  EXPECT_THAT(message_of(parse_json(std::string(400, '9'))),
              HasSubstr("number out of range: 9999"));
  EXPECT_EQ(compact("1e-999"), "0.0");
}

TEST(JsonTest, DepthIsLimited) {
  const std::string at_limit = std::string(200, '[') + std::string(200, ']');
  EXPECT_EQ(compact(at_limit), at_limit);
  EXPECT_EQ(message_of(parse_json("[" + at_limit + "]")),
            "invalid JSON at byte 200: nested deeper than 200 levels");
  EXPECT_EQ(message_of(parse_json(R"({"[[\"[[": {"a": []}})", {.max_depth = 2})),
            "invalid JSON at byte 17: nested deeper than 2 levels");
}

TEST(JsonTest, SizeIsLimited) {
  EXPECT_EQ(message_of(parse_json("[1]", {.max_bytes = 3})), "parsed");
  const auto too_large = parse_json("[10]", {.max_bytes = 3});
  EXPECT_EQ(message_of(too_large), "JSON of 4 bytes; the limit is 3 bytes");
  EXPECT_EQ(too_large.error().code, ErrorCode::kTooLarge);
}

TEST(JsonTest, WritesAsPythonDoes) {
  EXPECT_EQ(python(R"({"a":[1,"é",{}],"b":[],"c":{"d":null,"e":true}})"),
            R"({"a": [1, "é", {}], "b": [], "c": {"d": null, "e": true}})");
  EXPECT_EQ(python("\"\\u0000\\u001f\\u007f\\b\\f\\n\\r\\t\\\"\\\\\\/\\u2028<>&'\""),
            "\"\\u0000\\u001f\x7f\\b\\f\\n\\r\\t\\\"\\\\/\xE2\x80\xA8<>&'\"");
}

TEST(JsonTest, WritesFloatsAsPythonDoes) {
  const auto check = [](double value, const char* expected) {
    EXPECT_EQ(to_python_json(Json(value)), expected);
  };
  check(1.0, "1.0");
  check(-0.0, "-0.0");
  check(1e15, "1000000000000000.0");
  check(1e16, "1e+16");
  check(9999999999999998.0, "9999999999999998.0");
  check(123456789012345680.0, "1.2345678901234568e+17");
  check(0.0001, "0.0001");
  check(0.00001, "1e-05");
  check(1.5e-7, "1.5e-07");
  check(0.1, "0.1");
  check(-2.5, "-2.5");
  check(1e100, "1e+100");
  check(5e-324, "5e-324");
  check(1.7976931348623157e308, "1.7976931348623157e+308");
  check(std::numeric_limits<double>::infinity(), "Infinity");
  check(-std::numeric_limits<double>::infinity(), "-Infinity");
  check(std::numeric_limits<double>::quiet_NaN(), "NaN");
}

TEST(JsonTest, ResponsesAreAlwaysValidJson) {
  EXPECT_EQ(to_json_text(Json(std::numeric_limits<double>::infinity())), "null");
  EXPECT_EQ(to_json_text(Json("a\xff"
                              "b\xe4\xb8")),
            "\"a\xEF\xBF\xBD"
            "b\xEF\xBF\xBD\"");
}

TEST(JsonTest, EscapedPiecesGiveTheEscapedWhole) {
  const std::string text = "a\"\n\\\xE4\xB8\xAD\x01";
  std::string whole, pieces;
  append_json_escaped(whole, text);
  for (const char c : text) append_json_escaped(pieces, std::string_view(&c, 1));
  EXPECT_EQ(whole, "a\\\"\\n\\\\\xE4\xB8\xAD\\u0001");
  EXPECT_EQ(pieces, whole);
}

}  // namespace
}  // namespace glint
