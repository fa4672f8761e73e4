// What the server's flags change about answers: preferred parameters, pieces of a stream, cut
// prompts.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/api_harness.h"

namespace glint {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kLetters = "abcdefghij";  // one token each

PreferredParams preferred(std::string_view text) {
  Result<PreferredParams> params = parse_preferred_params(text);
  EXPECT_TRUE(params) << params.error().message;
  return *params;
}

std::string refusal(std::string_view text) {
  const Result<PreferredParams> params = parse_preferred_params(text);
  return params ? "" : params.error().message;
}

// How many tokens each event of /generate's stream brought.
std::vector<int> pieces(ApiHarness& h, const Json& sampling_params) {
  std::vector<int> sizes;
  int before = 0;
  for (const std::string& event :
       h.stream("/generate", {{"text", "Hi"}, {"sampling_params", sampling_params}})) {
    if (event == "[DONE]") continue;
    const int now = Json::parse(event)["meta_info"]["completion_tokens"];
    sizes.push_back(now - before);
    before = now;
  }
  return sizes;
}

TEST(PreferredParamsTest, StandWhereARequestIsSilent) {
  ApiHarness h;
  h.context.options.preferred = preferred(R"({"max_new_tokens": 3, "stop": "x"})");
  h.say(kLetters);
  const Json silent = h.ask("/generate", {{"text", "Hi"}});
  EXPECT_EQ(silent["text"], "abc");
  const Json loud =
      h.ask("/generate", {{"text", "Hi"}, {"sampling_params", {{"max_new_tokens", 5}}}});
  EXPECT_EQ(loud["text"], "abcde");
  EXPECT_EQ(h.ask("/v1/completions", {{"prompt", "Hi"}})["choices"][0]["text"], "abc");
  Json chat = user_says("Hi");
  chat["max_tokens"] = nullptr;  // the same as absent
  EXPECT_EQ(h.ask("/v1/chat/completions", chat)["usage"]["completion_tokens"], 3);
  EXPECT_EQ(h.ask("/v1/responses", {{"input", "Hi"}})["usage"]["output_tokens"], 3);
  EXPECT_EQ(h.ask("/api/generate", {{"prompt", "Hi"}, {"stream", false}})["eval_count"], 3);
}

TEST(PreferredParamsTest, HaveEachDialectsNames) {
  const PreferredParams params =
      preferred(R"({"max_new_tokens": 3, "stop": "x", "repetition_penalty": 1.1, "top_p": 0.5})");
  EXPECT_EQ(*params.in(Dialect::kAnthropic),
            Json::parse(R"({"max_tokens": 3, "stop_sequences": "x", "repetition_penalty": 1.1,
                            "top_p": 0.5})"));
  EXPECT_EQ(*params.in(Dialect::kOllama),
            Json::parse(R"({"num_predict": 3, "stop": "x", "repeat_penalty": 1.1, "top_p": 0.5})"));
}

TEST(PreferredParamsTest, WhatNoRequestCouldHaveIsRefused) {
  EXPECT_THAT(refusal("{"), HasSubstr("byte"));
  EXPECT_THAT(refusal("[1]"), HasSubstr("it is [1]; expected a JSON object"));
  EXPECT_THAT(refusal(R"({"color": 1})"), HasSubstr("the field color; expected temperature, "));
  EXPECT_THAT(refusal(R"({"temperature": "hot"})"), HasSubstr("temperature is \"hot\"; expected"));
  EXPECT_THAT(refusal(R"({"top_p": 2})"), HasSubstr("top_p"));
  EXPECT_EQ(refusal(R"({"temperature": 0.7, "top_p": 0.9, "stop": ["a"]})"), "");
}

TEST(StreamIntervalTest, TheFirstTokenComesAtOnceThenSoManyTogether) {
  ApiHarness h;
  h.say(kLetters);
  const Json ten = {{"max_new_tokens", 10}};
  EXPECT_THAT(pieces(h, ten), ElementsAre(1, 1, 1, 1, 1, 1, 1, 1, 1, 1));
  EXPECT_THAT(pieces(h, {{"max_new_tokens", 10}, {"stream_interval", 4}}), ElementsAre(1, 4, 4, 1));
  h.context.options.stream_interval = 5;
  EXPECT_THAT(pieces(h, ten), ElementsAre(1, 5, 4));
  EXPECT_THAT(pieces(h, {{"max_new_tokens", 3}, {"stream_interval", 1}}), ElementsAre(1, 1, 1));
}

// A stop string ends the answer at once, however few tokens wait.
TEST(StreamIntervalTest, AStopStringDoesNotWait) {
  ApiHarness h;
  h.say(kLetters);
  const Json params = {{"max_new_tokens", 10}, {"stream_interval", 100}, {"stop", "d"}};
  EXPECT_THAT(pieces(h, params), ElementsAre(1, 3));
}

TEST(StreamIntervalTest, ARequestMayNotAskForLessThanOne) {
  ApiHarness h;
  const auto exchange =
      h.post("/generate", {{"text", "Hi"}, {"sampling_params", {{"stream_interval", 0}}}});
  EXPECT_EQ(exchange->status, 400);
  EXPECT_THAT(exchange->body, HasSubstr("stream_interval"));
}

class AutoTruncateTest : public testing::Test {
 protected:
  static SchedulerLimits small() {
    SchedulerLimits limits = ApiHarness::default_limits();
    limits.context_length = 16;
    return limits;
  }
  AutoTruncateTest() : h(small()) { h.say(kLetters); }
  ApiHarness h;
};

TEST_F(AutoTruncateTest, WithoutTheFlagTooMuchIsRefused) {
  EXPECT_EQ(h.post("/generate", {{"text", std::string(40, 'q')}})->status, 400);
}

TEST_F(AutoTruncateTest, APromptIsCutAtItsEnd) {
  h.context.options.allow_auto_truncate = true;
  for (const Json& body :
       {Json{{"text", std::string(40, 'q')}}, Json{{"input_ids", Json(Json::array_t(40, 5))}}}) {
    const Json answer = h.ask("/generate", body);
    EXPECT_EQ(answer["meta_info"]["prompt_tokens"], 15) << answer;
    EXPECT_EQ(answer["text"], "a");
  }
  EXPECT_EQ(
      h.ask("/v1/chat/completions", user_says(std::string(400, 'q')))["usage"]["prompt_tokens"],
      15);
}

TEST_F(AutoTruncateTest, MaxTokensIsLoweredToTheRoom) {
  h.context.options.allow_auto_truncate = true;
  const Json answer = h.ask(
      "/generate", {{"text", std::string(12, 'q')}, {"sampling_params", {{"max_new_tokens", 99}}}});
  EXPECT_EQ(answer["meta_info"]["prompt_tokens"], 12) << answer;
  EXPECT_EQ(answer["text"], "abcd");
}

}  // namespace
}  // namespace glint
