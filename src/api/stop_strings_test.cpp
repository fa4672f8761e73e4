#include "api/stop_strings.h"

#include <gtest/gtest.h>

#include <random>

namespace glint {
namespace {

// What is shown when `text` comes in the given pieces, and what matched: "shown|matched".
std::string outcome(const std::vector<std::string>& stops, const std::vector<std::string>& pieces) {
  StopStrings matcher(stops);
  std::string shown;
  for (const std::string& piece : pieces) shown += matcher.append(piece);
  if (!matcher.matched()) shown += matcher.finish();
  return shown + "|" + matcher.matched().value_or("-");
}

struct Case {
  std::vector<std::string> stops;
  std::string text;
  std::string expected;
};

const Case kCases[] = {
    {{"stop"}, "go on, stop now", "go on, |stop"},
    {{"stop"}, "sto", "sto|-"},
    {{"stop"}, "stostop", "sto|stop"},
    {{"aab"}, "aaaab", "aa|aab"},
    {{"abab", "b"}, "aabab", "aa|b"},  // the one that ends first
    {{"ab", "xab"}, "zxab", "z|xab"},  // of those that end together the longest
    {{"\n\nQuestion:"}, "42\n\n\nQuestion: ", "42\n|\n\nQuestion:"},
    {{"é"}, "è é", "è |é"},
    {{}, "anything", "anything|-"},
};

TEST(StopStringsTest, TheSameTextGivesTheSameOutcomeCutAtEveryByte) {
  for (const Case& c : kCases) {
    EXPECT_EQ(outcome(c.stops, {c.text}), c.expected);
    for (size_t cut = 0; cut <= c.text.size(); ++cut)
      EXPECT_EQ(outcome(c.stops, {c.text.substr(0, cut), c.text.substr(cut)}), c.expected) << cut;
    std::vector<std::string> bytes;
    for (const char byte : c.text) bytes.emplace_back(1, byte);
    EXPECT_EQ(outcome(c.stops, bytes), c.expected);
  }
}

TEST(StopStringsTest, HoldsBackOnlyWhatMightBeginAStopString) {
  StopStrings matcher({"Question:"});
  EXPECT_EQ(matcher.append("The Q"), "The ");
  EXPECT_EQ(matcher.append("u"), "");
  EXPECT_EQ(matcher.append("ick"), "Quick");
}

TEST(StopStringsTest, NothingIsShownAfterAMatch) {
  StopStrings matcher({"."});
  EXPECT_EQ(matcher.append("One. Two"), "One");
  EXPECT_EQ(matcher.append(" three"), "");
  EXPECT_EQ(matcher.finish(), "");
}

// The oracle looks at every prefix of the text for a stop string at its end.
std::string naive(const std::vector<std::string>& stops, const std::string& text) {
  for (size_t end = 1; end <= text.size(); ++end) {
    std::string longest;
    for (const std::string& stop : stops)
      if (text.substr(0, end).ends_with(stop) && stop.size() > longest.size()) longest = stop;
    if (!longest.empty()) return text.substr(0, end - longest.size()) + "|" + longest;
  }
  return text + "|-";
}

TEST(StopStringsTest, AgreesWithASearchOfEveryPrefixOnRandomTexts) {
  std::mt19937 random(1);
  const auto word = [&](size_t length) {
    std::string text;
    while (text.size() < length) text += "ab"[random() % 2];
    return text;
  };
  for (int i = 0; i < 2000; ++i) {
    std::vector<std::string> stops;
    while (stops.size() < 3) stops.push_back(word(1 + random() % 6) + "c");
    std::string text;
    while (text.size() < 40) text += random() % 8 == 0 ? "c" : word(1);
    const size_t cut = random() % text.size();
    EXPECT_EQ(outcome(stops, {text.substr(0, cut), text.substr(cut)}), naive(stops, text));
  }
}

}  // namespace
}  // namespace glint
