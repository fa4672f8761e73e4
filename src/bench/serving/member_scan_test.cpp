#include "bench/serving/member_scan.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "base/check.h"
#include "base/json.h"

namespace glint {
namespace {

TEST(MemberScanTest, FindsMembersBehindStringsThatLookLikeBrackets) {
  constexpr std::string_view kEvent =
      R"( {"text": "a \"}]\\", "output_ids":[1, [2]] , "meta_info" : {"id":"}","n": 12 },"x":null} )";
  EXPECT_EQ(string_body(find_member(kEvent, "text")), R"(a \"}]\\)");
  EXPECT_EQ(find_member(kEvent, "output_ids"), "[1, [2]]");
  EXPECT_EQ(number_value(find_member(find_member(kEvent, "meta_info"), "n")), 12);
  EXPECT_EQ(find_member(kEvent, "x"), "null");
  EXPECT_EQ(find_member(kEvent, "id"), "");
}

TEST(MemberScanTest, FirstElements) {
  EXPECT_EQ(first_element(R"([{"a": [1]}, 2])"), R"({"a": [1]})");
  EXPECT_EQ(first_element("[ 7 ]"), "7");
  EXPECT_EQ(first_element("[]"), "");
  EXPECT_EQ(first_element("{}"), "");
}

TEST(MemberScanTest, PiecesOfAStringJoinBeforeTheyAreUnescaped) {
  EXPECT_EQ(unescaped(std::string(R"(caf\u00e9 \")") + R"(\ud83d\ude00\n)"), "café \"😀\n");
}

// What is cut or no object ends the walk; it does not run over the end.
TEST(MemberScanTest, EndsWithTheText) {
  const std::string event = R"({"text":"ab\"c","meta_info":{"completion_tokens":3},"l":[1,"]"]})";
  for (size_t cut = 0; cut < event.size(); ++cut) {
    for (MemberScan member(std::string_view(event).substr(0, cut)); member.next();)
      EXPECT_LE(member.value().size(), cut);
  }
  for (const char* text : {"", "[DONE]", "1", "\"a\"", "{", "{]", "{\"a\"", "{\"a\":"})
    EXPECT_EQ(find_member(text, "b"), "") << text;
}

TEST(MemberScanTest, AgreesWithTheParserOnRandomObjects) {
  std::mt19937 random(5);
  for (int i = 0; i < 200; ++i) {
    Json object = Json::object();
    for (int m = 0; m < 5; ++m) {
      std::string text;
      while (random() % 8 != 0) text += "ab\\\"{}[],: \n\x01"[random() % 12];
      object[cat("m", m)] = random() % 2 == 0 ? Json(text) : Json::array({text, {{"t", text}}, m});
    }
    const std::string written = to_json_text(object);
    for (const auto& [name, value] : object.items())
      EXPECT_EQ(find_member(written, name), to_json_text(value));
  }
}

}  // namespace
}  // namespace glint
