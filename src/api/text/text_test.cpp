// Text to ids and back, and the parsers on their own.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/api_harness.h"

namespace glint {
namespace {

using testing::HasSubstr;

Json tools() {
  return Json::parse(R"([{"type":"function","function":{"name":"get_weather",
    "parameters":{"type":"object","properties":{"location":{"type":"string"},
    "days":{"type":"integer"}}}}}])");
}

TEST(TokenizeTest, APromptOrAListOfThem) {
  ApiHarness api;
  const Json one = api.ask("/tokenize", {{"prompt", "hello you"}});
  EXPECT_EQ(one["tokens"], Json(api.tokenizer.encode("hello you")));
  EXPECT_EQ(one["count"], one["tokens"].size());
  EXPECT_EQ(one["max_model_len"], 2048);
  const Json list = api.ask("/v1/tokenize", {{"prompt", {"hello", "", "<|user|>"}}});
  EXPECT_EQ(list["tokens"],
            Json({api.tokenizer.encode("hello"), Json::array(), {tiny_token_id("<|user|>")}}));
  EXPECT_EQ(list["count"], Json({list["tokens"][0].size(), 0, 1}));
}

// What the chat endpoint itself counts.
TEST(TokenizeTest, MessagesAsTheChatEndpointSeesThem) {
  ApiHarness api;
  api.say("a</think>b");
  Json body = user_says("What is the weather?");
  body["tools"] = tools();
  const Json plain = api.ask("/tokenize", body);
  EXPECT_EQ(plain["count"], api.ask("/v1/chat/completions", body)["usage"]["prompt_tokens"]);
  EXPECT_EQ(plain["tokens"].back(), tiny_token_id("<think>"));
  body["chat_template_kwargs"] = {{"enable_thinking", false}};
  EXPECT_EQ(api.ask("/tokenize", body)["tokens"].back(), tiny_token_id("</think>"));
  body["add_generation_prompt"] = false;
  EXPECT_LT(api.ask("/tokenize", body)["count"], plain["count"]);
  body["tool_choice"] = "none";
  EXPECT_LT(api.ask("/tokenize", body)["count"].get<int>(), 20);
}

TEST(TokenizeTest, ShowsTheTokens) {
  ApiHarness api;
  const Json answer = api.ask("/tokenize", {{"prompt", "hi<|user|>"}, {"return_token_strs", true}});
  EXPECT_EQ(answer["token_strs"].size(), answer["tokens"].size());
  EXPECT_EQ(answer["token_strs"].back(), "<|user|>");
}

TEST(DetokenizeTest, UndoesTokenize) {
  ApiHarness api;
  const std::string text = "Grüße, 世界";
  const Json ids = api.ask("/tokenize", {{"prompt", text}})["tokens"];
  EXPECT_EQ(api.ask("/detokenize", {{"tokens", ids}})["text"], text);
  EXPECT_EQ(api.ask("/v1/detokenize", {{"tokens", {ids, Json::array()}}})["text"],
            Json({text, ""}));
  EXPECT_EQ(api.ask("/detokenize", {{"tokens", Json::array()}})["text"], "");
  const Json special = {tiny_token_id("<|user|>")};
  EXPECT_EQ(api.ask("/detokenize", {{"tokens", special}})["text"], "");
  EXPECT_EQ(api.ask("/detokenize", {{"tokens", special}, {"skip_special_tokens", false}})["text"],
            "<|user|>");
}

TEST(TokenizeTest, RefusesWhatIsNeitherOrBoth) {
  ApiHarness api;
  const auto param = [&](const char* path, const Json& body) {
    const auto exchange = api.post(path, body);
    EXPECT_EQ(exchange->status, 400) << exchange->body;
    return Json::parse(exchange->body)["param"].get<std::string>();
  };
  EXPECT_EQ(param("/tokenize", Json::object()), "prompt");
  EXPECT_EQ(param("/tokenize", {{"prompt", 3}}), "prompt");
  Json both = user_says("hi");
  both["prompt"] = "hi";
  EXPECT_EQ(param("/tokenize", both), "messages");
  EXPECT_EQ(param("/tokenize", {{"messages", 3}}), "messages");
  EXPECT_EQ(param("/detokenize", Json::object()), "tokens");
  EXPECT_EQ(param("/detokenize", {{"tokens", {1, -1}}}), "tokens");
  EXPECT_EQ(param("/detokenize", {{"tokens", Json::parse("[[1],2]")}}), "tokens[1]");
  EXPECT_EQ(param("/detokenize", {{"tokens", Json::parse("[[1],[999999]]")}}), "tokens[1]");
  api.context.tokenizer.reset();
  EXPECT_THAT(api.post("/tokenize", {{"prompt", "hi"}})->body, HasSubstr("skip-tokenizer-init"));
}

TEST(ParseOutputTest, FindsTheCallsOfAText) {
  ApiHarness api;
  const Json answer =
      api.ask("/parse_function_call",
              {{"text",
                "Let me look.<tool_call>get_weather<arg_key>location</arg_key><arg_value>Beijing"
                "</arg_value><arg_key>days</arg_key><arg_value>3</arg_value></tool_call>"
                "<tool_call>get_weather<arg_key>location</arg_key>"},
               {"tools", tools()},
               {"tool_call_parser", "glm47"}});
  EXPECT_EQ(answer["normal_text"], "Let me look.");
  ASSERT_EQ(answer["calls"].size(), 1u);  // the second one is cut off
  EXPECT_EQ(answer["calls"][0]["tool_index"], 0);
  EXPECT_EQ(answer["calls"][0]["name"], "get_weather");
  EXPECT_EQ(Json::parse(answer["calls"][0]["parameters"].get<std::string>()),
            Json({{"location", "Beijing"}, {"days", 3}}));
}

TEST(ParseOutputTest, SeparatesReasoning) {
  ApiHarness api;
  const auto parts = [&](const char* text) {
    const Json answer =
        api.ask("/separate_reasoning", {{"text", text}, {"reasoning_parser", "glm45"}});
    return std::pair(answer["reasoning_text"].get<std::string>(),
                     answer["text"].get<std::string>());
  };
  EXPECT_EQ(parts("<think>why</think>so"), std::pair(std::string("why"), std::string("so")));
  EXPECT_EQ(parts("why</think>so"), std::pair(std::string("why"), std::string("so")));
  EXPECT_EQ(parts("<think>why"), std::pair(std::string("why"), std::string()));
  EXPECT_EQ(parts("so"), std::pair(std::string(), std::string("so")));
}

TEST(ParseOutputTest, RefusesOtherParsersAndNoText) {
  ApiHarness api;
  EXPECT_EQ(
      api.post("/parse_function_call", {{"text", "a"}, {"tool_call_parser", "llama3"}})->status,
      400);
  EXPECT_EQ(api.post("/separate_reasoning", {{"text", "a"}, {"reasoning_parser", "kimi"}})->status,
            400);
  EXPECT_EQ(api.post("/separate_reasoning", {{"text", 3}})->status, 400);
}

}  // namespace
}  // namespace glint
