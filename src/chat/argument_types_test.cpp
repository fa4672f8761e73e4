#include "chat/argument_types.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "chat/python_literal.h"

namespace glint {
namespace {

ArgumentTypes types_of(std::string_view schema, std::string_view defs = "{}") {
  const Tool tool = take(parse_json(cat(R"({"name": "f", "parameters": {"properties": {"k": )",
                                        schema, R"(}, "$defs": )", defs, "}}")));
  return argument_types(tool, "k");
}

std::string typed(std::string_view text, const ArgumentTypes& types) {
  return to_json_text(typed_argument(text, types));
}

TEST(ArgumentTypesTest, ReadsTheSchema) {
  EXPECT_EQ(types_of(R"({"type": "string"})"), ArgumentTypes{.string = true});
  EXPECT_EQ(types_of(R"({"type": ["integer", "null"]})"),
            (ArgumentTypes{.integer = true, .null = true}));
  EXPECT_EQ(types_of(R"({"anyOf": [{"type": "string"}, {"type": "null"}]})"),
            (ArgumentTypes{.string = true, .null = true}));
  EXPECT_EQ(types_of(R"({"oneOf": [{"type": "array"}, {}]})"), ArgumentTypes{});
  EXPECT_EQ(types_of(R"({"allOf": [{"type": ["string", "integer"]}, {"type": "number"}]})"),
            ArgumentTypes{.integer = true});
  EXPECT_EQ(types_of(R"({"enum": ["a", 1]})"), (ArgumentTypes{.string = true, .integer = true}));
  EXPECT_EQ(types_of(R"({"const": false})"), ArgumentTypes{.boolean = true});
  EXPECT_EQ(types_of(R"({"properties": {}})"), ArgumentTypes{.object = true});
  EXPECT_EQ(types_of(R"({"items": {}})"), ArgumentTypes{.array = true});
  EXPECT_EQ(types_of("true"), ArgumentTypes{});
}

TEST(ArgumentTypesTest, FollowsReferencesWithinTheParameters) {
  const char* defs = R"({"Unit": {"enum": ["C", "F"]}, "Loop": {"$ref": "#/$defs/Loop"}})";
  EXPECT_EQ(types_of(R"({"$ref": "#/$defs/Unit"})", defs), ArgumentTypes{.string = true});
  EXPECT_EQ(types_of(R"({"$ref": "#/$defs/Loop"})", defs), ArgumentTypes{});
  EXPECT_EQ(types_of(R"({"$ref": "#/$defs/None"})", defs), ArgumentTypes{});
  EXPECT_EQ(types_of(R"({"$ref": "https://example.org/x"})", defs), ArgumentTypes{});
}

TEST(ArgumentTypesTest, FindsPropertiesInPartsAndAdditionalOnes) {
  const Tool tool = take(parse_json(R"({"function": {"name": "f", "parameters": {
      "allOf": [{"properties": {"a": {"type": "integer"}}}],
      "additionalProperties": {"type": "boolean"}}}})"));
  EXPECT_EQ(argument_types(tool, "a"), ArgumentTypes{.integer = true});
  EXPECT_EQ(argument_types(tool, "b"), ArgumentTypes{.boolean = true});
  EXPECT_EQ(argument_types(Json::object(), "a"), ArgumentTypes{});
}

TEST(ArgumentTypesTest, NumbersMayBeQuoted) {
  EXPECT_EQ(typed("\"3\"", {.integer = true}), "3");
  EXPECT_EQ(typed("\"1.5\"", {.number = true}), "1.5");
  EXPECT_EQ(typed("\"1.5\"", {.integer = true}), R"("\"1.5\"")");
  EXPECT_EQ(typed("\"3\"", {.string = true, .integer = true}), R"("\"3\"")");
  EXPECT_EQ(typed("three", {.integer = true}), R"("three")");
  EXPECT_EQ(typed("123456789012345678901234567890", {.integer = true}),
            "123456789012345678901234567890");
}

TEST(ArgumentTypesTest, AcceptsPythonsWordsAndLiterals) {
  EXPECT_EQ(typed("True", {.boolean = true}), "true");
  EXPECT_EQ(typed("None", {.null = true}), "null");
  EXPECT_EQ(typed("yes", {.boolean = true}), R"("yes")");
  EXPECT_EQ(typed("{'a': [1, True, None,], \"b\": 'it\\'s \\u00e9'}", {.object = true}),
            R"({"a":[1,true,null],"b":"it's é"})");
  EXPECT_EQ(typed("{'a': }", {.object = true}), R"("{'a': }")");
  EXPECT_EQ(typed("[1]", {.object = true}), R"("[1]")");
}

TEST(ArgumentTypesTest, WithoutASchemaJsonIsJson) {
  EXPECT_EQ(typed("[1, {}]", {}), "[1,{}]");
  EXPECT_EQ(typed("NaN", {}), R"("NaN")");
  EXPECT_EQ(typed("1e999", {}), R"("1e999")");
  EXPECT_EQ(typed("", {}), R"("")");
}

TEST(PythonLiteralTest, RefusesWhatIsNone) {
  for (const char* text : {"", "[", "['a'", "{1: 2}", "['a' 'b']", "(1, 2)", "f()", "['\\q']",
                           "['\\ud800']", "[1] 2", "['a\nb']", "{'a' 1}", "[,]"}) {
    EXPECT_FALSE(parse_python_literal(text).has_value()) << text;
  }
  EXPECT_FALSE(parse_python_literal(std::string(100'000, '[')).has_value());
}

// What has been streamed as text may not turn out to be something else.
TEST(ArgumentTypesTest, WhatCannotBeOtherThanAStringStaysOne) {
  const std::vector<std::string> pieces = {"null", "None", "true", "False", "1",   "-2.5e3", "[",
                                           "]",    "{",    "}",    "\"a\"", "'b'", ":",      ",",
                                           " ",    "\n",   "x",    "n",     "t"};
  std::mt19937 random(7);
  for (int round = 0; round < 20'000; ++round) {
    const auto bits = random();
    const ArgumentTypes types = {.string = true,
                                 .integer = (bits & 1) != 0,
                                 .number = (bits & 2) != 0,
                                 .boolean = (bits & 4) != 0,
                                 .null = (bits & 8) != 0,
                                 .object = (bits & 16) != 0,
                                 .array = (bits & 32) != 0};
    std::string text;
    bool was_certain = false;
    for (auto n = random() % 5; n > 0; --n) {
      text += pieces[random() % pieces.size()];
      const bool certain = !may_be_other_than_string(text, types);
      EXPECT_TRUE(certain || !was_certain) << text;
      was_certain = certain;
    }
    if (was_certain) {
      EXPECT_EQ(typed_argument(text, types), Json(text));
    }
  }
}

}  // namespace
}  // namespace glint
