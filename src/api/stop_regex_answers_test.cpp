// stop_regex in the answers of each endpoint: where they end, and what they say ended them.

#include <gtest/gtest.h>

#include "api/api_harness.h"

namespace glint {
namespace {

constexpr const char* kChat = "/v1/chat/completions";
constexpr const char* kText = "/v1/completions";
constexpr const char* kNative = "/generate";

Json completion(const Json& more) {
  Json body = {{"prompt", "count"}, {"max_tokens", 100}};
  body.update(more);
  return body;
}

// "text|matched_stop" of one answer.
std::string outcome(ApiHarness& api, const Json& more) {
  const Json choice = api.ask(kText, completion(more))["choices"][0];
  EXPECT_EQ(choice["finish_reason"], "stop") << choice;
  return cat(choice["text"].get<std::string>(), "|", choice["matched_stop"].get<std::string>());
}

TEST(StopRegexAnswersTest, TheAnswerEndsWithTheMatch) {
  ApiHarness api;
  api.say("one two END three four five six");
  const Json answer = api.ask(kText, completion({{"stop_regex", "E[A-Z]D"}}));
  const Json& choice = answer["choices"][0];
  EXPECT_EQ(choice["text"], "one two END");
  EXPECT_EQ(choice["finish_reason"], "stop");
  EXPECT_EQ(choice["matched_stop"], "E[A-Z]D");
  EXPECT_EQ(choice["stop_reason"], "E[A-Z]D");
  // Through the token that completed the match, though the engine was a step ahead.
  const auto through = static_cast<int>(api.tokenizer.encode("one two END").size());
  EXPECT_EQ(answer["usage"]["completion_tokens"], through);
  while (api.engine.step()) {
  }
  EXPECT_EQ(api.engine.stats().num_running_requests, 0);
  EXPECT_EQ(api.engine.stats().num_used_tokens, 0);
}

TEST(StopRegexAnswersTest, AListStopsAtAnyOfThem) {
  ApiHarness api;
  api.say("one two END three");
  EXPECT_EQ(outcome(api, {{"stop_regex", {"", "x+", "t[a-z]o", R"(\s)"}}}), R"(one |\s)");
  for (const Json& none : {Json(nullptr), Json(""), Json::array(), Json::array({""})}) {
    const Json answer = api.ask(kText, completion({{"stop_regex", none}}));
    EXPECT_EQ(answer["choices"][0]["text"], "one two END three") << none;
  }
}

// What ends first; of two that end together the string.
TEST(StopRegexAnswersTest, StandsBesideStopStrings) {
  ApiHarness api;
  api.say("one two END three");
  EXPECT_EQ(outcome(api, {{"stop", "END"}, {"stop_regex", "EN"}}), "one two EN|EN");
  EXPECT_EQ(outcome(api, {{"stop", "EN"}, {"stop_regex", "END"}}), "one two |EN");
  EXPECT_EQ(outcome(api, {{"stop", "END"}, {"stop_regex", "E.D"}}), "one two |END");
  EXPECT_EQ(outcome(api, {{"stop", "two ENDING"}, {"stop_regex", "END"}}), "one two END|END");
}

TEST(StopRegexAnswersTest, NoStopTrimChangesNothing) {
  ApiHarness api;
  api.say("one END two");
  EXPECT_EQ(outcome(api, {{"stop_regex", "E.D"}, {"no_stop_trim", true}}), "one END|E.D");
}

TEST(StopRegexAnswersTest, CharactersAndBeginningsAreThoseOfTheText) {
  ApiHarness api;
  api.say("naïve 日本語 🙂 text");
  EXPECT_EQ(outcome(api, {{"stop_regex", "[本語]"}}), "naïve 日本|[本語]");
  EXPECT_EQ(outcome(api, {{"stop_regex", {"^日", "🙂"}}}), "naïve 日本語 🙂|🙂");
}

TEST(StopRegexAnswersTest, TheLastTokenAllowedMayCompleteTheMatch) {
  ApiHarness api;
  api.say("one two END three");
  const size_t through = api.tokenizer.encode("one two END").size();
  EXPECT_EQ(outcome(api, {{"stop_regex", "END"}, {"max_tokens", through}}), "one two END|END");
}

// Control tokens are text only where they are shown.
TEST(StopRegexAnswersTest, SearchesWhatIsShown) {
  ApiHarness api;
  const TokenId control = tiny_token_id("<|assistant|>");
  std::vector<TokenId> ids = api.tokenizer.encode("one");
  ids.push_back(control);
  for (const TokenId id : api.tokenizer.encode("two")) ids.push_back(id);
  api.say_ids(ids);
  EXPECT_EQ(outcome(api, {{"stop_regex", {"et", "<.*>"}}}), "onet|et");
  EXPECT_EQ(outcome(api, {{"stop_regex", {"et", "<.*>"}}, {"skip_special_tokens", false}}),
            "one<|assistant|>|<.*>");
}

// As a stop string, a pattern is searched in all that the model says.
TEST(StopRegexAnswersTest, EndsAChatInItsReasoningOrItsContent) {
  ApiHarness api;
  api.say("so it is 7</think>It is 42, or 43.");
  Json body = user_says("What is it?");
  body["stop_regex"] = R"(\d\d)";
  const Json choice = api.ask(kChat, body)["choices"][0];
  EXPECT_EQ(choice["message"]["reasoning_content"], "so it is 7");
  EXPECT_EQ(choice["message"]["content"], "It is 42");
  EXPECT_EQ(choice["matched_stop"], R"(\d\d)");
  body["stop_regex"] = R"(\d)";
  const Json thinking = api.ask(kChat, body)["choices"][0];
  EXPECT_EQ(thinking["message"]["reasoning_content"], "so it is 7");
  EXPECT_EQ(thinking["message"]["content"], "");
  EXPECT_EQ(thinking["finish_reason"], "stop");
}

TEST(StopRegexAnswersTest, EndsAStreamedChat) {
  ApiHarness api;
  api.say("hm</think>It is 42, or 43.");
  Json body = user_says("What is it?");
  body["stop_regex"] = R"(\d+,)";
  body["n"] = 3;
  std::vector<std::string> contents(3), matched(3);
  for (const std::string& event : api.stream(kChat, body)) {
    if (event == "[DONE]") continue;
    const Json choice = Json::parse(event)["choices"][0];
    const auto index = choice["index"].get<size_t>();
    contents[index] += choice["delta"].value("content", "");
    if (!choice["finish_reason"].is_null()) matched[index] = choice["matched_stop"];
  }
  EXPECT_EQ(contents, std::vector<std::string>(3, "It is 42,"));
  EXPECT_EQ(matched, std::vector<std::string>(3, R"(\d+,)"));
}

TEST(StopRegexAnswersTest, EndsEachOfABatchByItsOwnPatterns) {
  ApiHarness api;
  api.say("one two three");
  const Json answers = api.ask(kNative, {{"text", {"a", "b", "c"}},
                                         {"sampling_params",
                                          {{{"stop_regex", "t.o"}},
                                           {{"stop_regex", Json::array({"four", "n."})}},
                                           {{"stop_regex", nullptr}}}}});
  ASSERT_EQ(answers.size(), 3u);
  EXPECT_EQ(answers[0]["text"], "one two");
  EXPECT_EQ(answers[0]["meta_info"]["finish_reason"],
            Json::parse(R"({"type":"stop","matched":"t.o"})"));
  EXPECT_EQ(answers[1]["text"], "one");
  EXPECT_EQ(answers[1]["meta_info"]["finish_reason"]["matched"], "n.");
  EXPECT_EQ(answers[2]["text"], "one two three");
}

TEST(StopRegexAnswersTest, EndsBothKindsOfNativeStream) {
  ApiHarness api;
  api.say("one two three");
  Json body = {{"text", "a"}, {"sampling_params", {{"stop_regex", "t.o"}}}};
  const std::vector<std::string> cumulative = api.stream(kNative, body);
  EXPECT_EQ(Json::parse(cumulative[cumulative.size() - 2])["text"], "one two");
  body["incremental"] = true;
  std::string heard;
  Json last;
  for (const std::string& event : api.stream(kNative, body)) {
    if (event == "[DONE]") continue;
    last = Json::parse(event);
    heard += last["text"].get<std::string>();
  }
  EXPECT_EQ(heard, "one two");
  EXPECT_EQ(last["meta_info"]["finish_reason"]["matched"], "t.o");
}

TEST(StopRegexAnswersTest, WhatElseStopsStillDoes) {
  ApiHarness api;
  api.say("well no no no no no no");
  const Json repeats = {{"max_pattern_size", 4}, {"min_count", 3}};
  EXPECT_EQ(outcome(api, {{"stop_regex", "never"}, {"repetition_detection", repeats}}),
            "well no no no|repetition_detected");
  EXPECT_EQ(outcome(api, {{"stop_regex", "o n"}, {"repetition_detection", repeats}}),
            "well no n|o n");
  const Json natural = api.ask(kText, completion({{"stop_regex", "never"}}))["choices"][0];
  EXPECT_EQ(natural["matched_stop"], tiny_token_id("<|user|>"));
}

}  // namespace
}  // namespace glint
