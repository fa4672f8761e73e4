#include "api/stop_regex.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <re2/re2.h>

#include <random>

#include "base/utf8.h"

namespace glint {
namespace {

using testing::HasSubstr;

std::string refusal(std::vector<std::string> patterns) {
  auto regexes = StopRegexes::compile(std::move(patterns));
  return regexes ? "" : regexes.error().message;
}

// What of the text belongs to the answer when it comes in the given pieces, and what matched:
// "text|pattern".
std::string outcome(const std::shared_ptr<const StopRegexes>& regexes,
                    const std::vector<std::string>& pieces) {
  StopRegexSearch search(regexes);
  std::string text;
  for (const std::string& piece : pieces) text += piece.substr(0, search.append(piece));
  return text + "|" + search.matched().value_or("-");
}
std::string outcome(const std::vector<std::string>& patterns,
                    const std::vector<std::string>& pieces) {
  return outcome(*StopRegexes::compile(patterns), pieces);
}

std::vector<std::string> characters(const std::string& text) {
  std::vector<std::string> characters;
  for (size_t at = 0; at < text.size(); at += characters.back().size())
    characters.push_back(text.substr(at, static_cast<size_t>(decode_utf8(text, at).num_bytes)));
  return characters;
}

// The same characters in two pieces.
std::vector<std::string> cut_at(const std::vector<std::string>& characters, size_t cut) {
  std::vector<std::string> pieces(2);
  for (size_t i = 0; i < characters.size(); ++i) pieces[i < cut ? 0 : 1] += characters[i];
  return pieces;
}

struct Case {
  std::vector<std::string> patterns;
  std::string text;
  std::string expected;
};

const Case kCases[] = {
    {{R"(\d+\.)"}, "1 + 1 = 22. And", R"(1 + 1 = 22.|\d+\.)"},
    {{R"(\d+)"}, "a 123", R"(a 1|\d+)"},  // the beginning that ends first, not the longest match
    {{"abc", "b"}, "xabc", "xab|b"},
    {{"bc|x", "abc"}, "abc", "abc|bc|x"},  // of those that end together the first
    {{"(?i)THE END"}, "and so: The End?", "and so: The End|(?i)THE END"},
    {{"^b", "^a$"}, "ab", "a|^a$"},
    {{"^b"}, "ab", "ab|-"},
    {{"(?m)^b"}, "a\nb", "a\nb|(?m)^b"},
    {{R"(x\b)"}, "xy x.", R"(x|x\b)"},  // so far, a word ends here
    {{R"(x\By)"}, "x xy", R"(x xy|x\By)"},
    {{R"(x\B)"}, "x. xyz", R"(x. xy|x\B)"},  // known once there is a y
    {{R"(-\b)"}, "- -é -a b", R"(- -é -a|-\b)"},
    {{"è é"}, "e è éé", "e è é|è é"},
    {{"[^a-z]"}, "abc日本", "abc日|[^a-z]"},
    {{"a.c"}, "a\nc a日c d", "a\nc a日c|a.c"},
    {{R"(b\C)"}, "abé", R"(abé|b\C)"},  // ends within a character
    {{"nothing"}, "anything", "anything|-"},
};

TEST(StopRegexTest, TheSameTextGivesTheSameOutcomeCutAtEveryCharacter) {
  for (const Case& c : kCases) {
    const std::vector<std::string> text = characters(c.text);
    EXPECT_EQ(outcome(c.patterns, {c.text}), c.expected);
    EXPECT_EQ(outcome(c.patterns, text), c.expected);
    for (size_t cut = 0; cut <= text.size(); ++cut)
      EXPECT_EQ(outcome(c.patterns, cut_at(text, cut)), c.expected) << cut;
  }
}

TEST(StopRegexTest, WithoutPatternsAllBelongsToTheAnswer) {
  StopRegexSearch search(nullptr);
  EXPECT_EQ(search.append("anything"), 8u);
  EXPECT_FALSE(search.matched());
}

TEST(StopRegexTest, NothingBelongsToTheAnswerAfterAMatch) {
  StopRegexSearch search(*StopRegexes::compile({"[.!]"}));
  EXPECT_EQ(search.append("One. Two!"), 4u);
  EXPECT_EQ(search.append("Three!"), 0u);
  EXPECT_EQ(search.matched(), "[.!]");
}

// The oracle searches every beginning of the text for every pattern by itself.
std::string naive(const std::vector<std::string>& patterns, const std::string& text) {
  std::string so_far;
  for (const std::string& character : characters(text)) {
    so_far += character;
    for (const std::string& pattern : patterns)
      if (re2::RE2::PartialMatch(so_far, pattern)) return so_far + "|" + pattern;
  }
  return so_far + "|-";
}

TEST(StopRegexTest, AgreesWithASearchOfEveryBeginningOnRandomTexts) {
  std::mt19937 random(1);
  const auto one_of = [&](const std::vector<std::string>& choices) {
    return choices[random() % choices.size()];
  };
  const std::vector<std::string> atoms = {"a",      "b",      "é",  ".",        "[^a]",  R"(\w)",
                                          R"(\W)",  "^",      "$",  R"(\b)",    R"(\B)", " ",
                                          "(?m:^)", "(?m:$)", "\n", "(?:ab|é )"};
  int num_matches = 0;
  for (int i = 0; i < 3000; ++i) {
    std::vector<std::string> patterns;
    while (patterns.size() < 1 + random() % 3) {
      std::string pattern = one_of({"a", "b", "é", " ", "\n"});  // so that none matches nothing
      for (size_t atom = random() % 4; atom > 0; --atom)
        pattern.insert(random() % 2 == 0 ? 0 : pattern.size(),
                       one_of(atoms) + one_of({"", "", "*", "{2}"}));
      if (refusal({pattern}).empty()) patterns.push_back(pattern);
    }
    std::string text;
    while (text.size() < 30) text += one_of({"a", "a", "b", "é", " ", "\n"});
    const std::vector<std::string> pieces = cut_at(characters(text), random() % 20);
    const std::string expected = naive(patterns, text);
    EXPECT_EQ(outcome(patterns, pieces), expected) << testing::PrintToString(patterns);
    num_matches += expected.ends_with("|-") ? 0 : 1;
  }
  EXPECT_GT(num_matches, 1000);
  EXPECT_LT(num_matches, 2900);
}

// So that a character costs no more however long the text is.
TEST(StopRegexTest, AMatchIsLookedForInTheLastKibibyte) {
  const auto regexes = *StopRegexes::compile({"<a>[^<]*</a>"});
  for (const size_t length : {1024u, 1025u}) {
    const std::string matching = "<a>" + std::string(length - 7, 'x') + "</a>";
    for (const std::string& text : {matching, std::string(5000, '-') + matching}) {
      const std::string expected = text + (length == 1024 ? "|<a>[^<]*</a>" : "|-");
      EXPECT_EQ(outcome(regexes, {text}), expected) << length;
      EXPECT_EQ(outcome(regexes, characters(text)), expected) << length;
    }
  }
}

// What stands before the window is seen, though no part of a match.
TEST(StopRegexTest, BeginningsAreThoseOfTheWholeText) {
  const std::string text(5000, 'a');
  for (const char* pattern : {"^a+b", R"(\ba+b)", "(?m)^a+b"}) {
    EXPECT_EQ(outcome({pattern}, {"aab"}), cat("aab|", pattern));
    EXPECT_EQ(outcome({pattern}, {text, text + "b"}), text + text + "b|-") << pattern;
    EXPECT_EQ(outcome({pattern}, characters(text + "b")), text + "b|-") << pattern;
  }
  EXPECT_EQ(outcome({"a+b"}, {text, text + "b"}), text + text + "b|a+b");
}

TEST(StopRegexTest, WhatRe2CannotCompileIsRefusedWithItsReason) {
  EXPECT_THAT(refusal({"a", "b(?=c)"}), HasSubstr("cannot compile (invalid perl operator: (?=)"));
  EXPECT_THAT(refusal({R"((a)\1)"}), HasSubstr(R"(cannot compile (invalid escape sequence: \1))"));
  EXPECT_THAT(refusal({"a)|(b"}), HasSubstr("unexpected ): a)|(b"));
  EXPECT_THAT(refusal({R"(\Qabc)"}), HasSubstr("missing )"));
  EXPECT_THAT(refusal({"("}), HasSubstr("missing )"));
}

TEST(StopRegexTest, APatternThatTheEmptyTextMatchesIsRefused) {
  for (const char* pattern : {"a*", "^", "$", R"(\B)", "(a|)", "()"})
    EXPECT_THAT(refusal({pattern}), HasSubstr("the empty text matches")) << pattern;
}

TEST(StopRegexTest, ProgramsThatAreTooLargeAreRefused) {
  EXPECT_EQ(refusal({"a{400}"}), "");
  for (const char* pattern :
       {"a{600}", R"(\p{L}+!)", "(?:[ab]{900}|[cd]{900}){1}", "(((a{9}){9}){9})b"})
    EXPECT_THAT(refusal({pattern}), HasSubstr("at most 500 instructions")) << pattern;
  EXPECT_THAT(refusal({"a{200}", "b{200}", "c{200}"}), HasSubstr("at most 500 instructions"));
}

}  // namespace
}  // namespace glint
