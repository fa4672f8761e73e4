// Anthropic's answers, whole and as events, and what a tool loop finds in the prefix cache.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/api_harness.h"

namespace glint {
namespace {

using testing::HasSubstr;

constexpr const char* kMessages = "/v1/messages";

const char* const kWeather =
    "I need the weather.</think>Let me look.<tool_call>get_weather<arg_key>location</arg_key>"
    "<arg_value>Beijing</arg_value></tool_call>";

Json question(std::string_view text = "What is the weather in Beijing?") {
  Json body = user_says(text);
  body["model"] = "claude-sonnet-4-5";
  body["max_tokens"] = 200;
  body["tools"] = Json::parse(R"([{"name":"get_weather","input_schema":
    {"type":"object","properties":{"location":{"type":"string"}}}}])");
  return body;
}

// The names of the events of `body`, each with what it carries.
std::string story(const std::string& body) {
  std::string told;
  SseParser parser([&](const SseEvent& event) {
    const Json data = Json::parse(event.data);
    EXPECT_EQ(data["type"], event.name);
    if (event.name == "content_block_start") {
      told += cat(data["index"].get<int>(), " ", data["content_block"]["type"].get<std::string>());
    } else if (event.name == "content_block_delta") {
      told += " " + data["delta"]["type"].get<std::string>();
    } else {
      told += event.name == "content_block_stop" ? " stop" : event.name;
    }
    if (event.name != "content_block_start" && event.name != "content_block_delta") told += "\n";
  });
  parser.put(body);
  return told;
}

std::string joined(const std::string& body, const char* type, const char* field) {
  std::string text;
  for (const std::string& event : ApiHarness::events_of(body)) {
    const Json data = Json::parse(event);
    if (data["type"] == "content_block_delta" && data["delta"]["type"] == type)
      text += data["delta"][field].get<std::string>();
  }
  return text;
}

std::string stream(ApiHarness& api, Json body) {
  body["stream"] = true;
  const auto exchange = api.post(kMessages, body);
  api.finish(*exchange);
  EXPECT_EQ(exchange->status, 200);
  return exchange->body;
}

// Neighbouring deltas of one kind are as many as tokens made them: told once.
std::string without_repeats(std::string text) {
  for (const char* delta : {" thinking_delta", " text_delta", " input_json_delta"}) {
    const std::string twice = cat(delta, delta);
    for (size_t at = text.find(twice); at != std::string::npos; at = text.find(twice))
      text.erase(at, std::string_view(delta).size());
  }
  return text;
}

TEST(MessagesTest, AnswersWithThinkingTextAndToolUse) {
  ApiHarness api;
  api.say(kWeather);
  const Json answer = api.ask(kMessages, question());
  EXPECT_EQ(answer["id"].get<std::string>().substr(0, 4), "msg_");
  Json named = question();
  named["rid"] = "mine";
  EXPECT_EQ(api.ask(kMessages, named)["id"], "mine");
  EXPECT_EQ(answer["type"], "message");
  EXPECT_EQ(answer["role"], "assistant");
  EXPECT_EQ(answer["model"], "claude-sonnet-4-5");
  ASSERT_EQ(answer["content"].size(), 3u);
  EXPECT_EQ(answer["content"][0]["type"], "thinking");
  EXPECT_EQ(answer["content"][0]["thinking"], "I need the weather.");
  EXPECT_NE(answer["content"][0]["signature"], "");
  EXPECT_EQ(answer["content"][1], (Json{{"type", "text"}, {"text", "Let me look."}}));
  EXPECT_EQ(answer["content"][2]["type"], "tool_use");
  EXPECT_EQ(answer["content"][2]["id"].get<std::string>().substr(0, 6), "toolu_");
  EXPECT_EQ(answer["content"][2]["name"], "get_weather");
  EXPECT_EQ(answer["content"][2]["input"], (Json{{"location", "Beijing"}}));
  EXPECT_EQ(answer["stop_reason"], "tool_use");
  EXPECT_TRUE(answer["stop_sequence"].is_null());
}

TEST(MessagesTest, StreamsOneBlockAfterTheOther) {
  ApiHarness api;
  api.say(kWeather);
  const std::string body = stream(api, question());
  EXPECT_EQ(without_repeats(story(body)),
            "message_start\n"
            "0 thinking thinking_delta signature_delta stop\n"
            "1 text text_delta stop\n"
            "2 tool_use input_json_delta stop\n"
            "message_delta\n"
            "message_stop\n");
  EXPECT_EQ(joined(body, "thinking_delta", "thinking"), "I need the weather.");
  EXPECT_EQ(joined(body, "text_delta", "text"), "Let me look.");
  EXPECT_EQ(joined(body, "input_json_delta", "partial_json"), R"({"location":"Beijing"})");
  EXPECT_THAT(body, HasSubstr(R"("stop_reason":"tool_use")"));
}

TEST(MessagesTest, ACallWithoutArgumentsIsAnEmptyObject) {
  ApiHarness api;
  api.say("x</think><tool_call>get_weather</tool_call>");
  EXPECT_EQ(api.ask(kMessages, question())["content"][1]["input"], Json::object());
  EXPECT_EQ(joined(stream(api, question()), "input_json_delta", "partial_json"), "{}");
}

TEST(MessagesTest, ContentIsNeverEmpty) {
  ApiHarness api;
  api.say("</think>");
  const Json answer = api.ask(kMessages, question());
  EXPECT_EQ(answer["content"], Json::parse(R"([{"type":"text","text":""}])"));
  EXPECT_EQ(answer["stop_reason"], "end_turn");
  EXPECT_EQ(story(stream(api, question())),
            "message_start\n0 text stop\nmessage_delta\nmessage_stop\n");
}

TEST(MessagesTest, SaysWhyItStopped) {
  ApiHarness api;
  api.say("Hm.</think>One, two, three, four.");
  Json body = question();
  EXPECT_EQ(api.ask(kMessages, body)["stop_reason"], "end_turn");
  body["stop_sequences"] = Json::array({"three"});
  Json answer = api.ask(kMessages, body);
  EXPECT_EQ(answer["stop_reason"], "stop_sequence");
  EXPECT_EQ(answer["stop_sequence"], "three");
  EXPECT_EQ(answer["content"][1]["text"], "One, two, ");
  EXPECT_THAT(stream(api, body),
              HasSubstr(R"("delta":{"stop_reason":"stop_sequence","stop_sequence":"three"})"));
  body["max_tokens"] = 3;
  EXPECT_EQ(api.ask(kMessages, body)["stop_reason"], "max_tokens");
}

TEST(MessagesTest, MaxTokensBeyondTheContextAreAsManyAsItHolds) {
  ApiHarness api;
  std::string words;
  for (int i = 0; i < 2000; ++i) words += "and on ";
  api.say(words);
  Json body = question();
  body["max_tokens"] = 32000;
  const Json answer = api.ask(kMessages, body);
  EXPECT_EQ(answer["stop_reason"], "model_context_window_exceeded");
  EXPECT_EQ(
      answer["usage"]["input_tokens"].get<int>() + answer["usage"]["output_tokens"].get<int>(),
      api.context.limits.context_length);
}

TEST(MessagesTest, OneCallOnlyWithoutParallelToolUse) {
  ApiHarness api;
  api.say("x</think><tool_call>get_weather</tool_call><tool_call>get_weather</tool_call>");
  Json body = question();
  EXPECT_EQ(api.ask(kMessages, body)["content"].size(), 3u);
  body["tool_choice"] = {{"type", "auto"}, {"disable_parallel_tool_use", true}};
  const Json answer = api.ask(kMessages, body);
  EXPECT_EQ(answer["content"].size(), 2u);
  EXPECT_EQ(answer["stop_reason"], "tool_use");
}

TEST(MessagesTest, WithToolChoiceNoneTheModelDoesNotSeeTheTools) {
  ApiHarness api;
  api.say(kWeather);
  Json body = question();
  const Json with = api.ask(kMessages, body);
  body["tool_choice"] = {{"type", "none"}};
  const Json without = api.ask(kMessages, body);
  EXPECT_GT(with["usage"]["input_tokens"], without["usage"]["input_tokens"]);
  EXPECT_EQ(without["stop_reason"], "end_turn");
}

TEST(MessagesTest, ACallThatTheLimitCutsIsNoBlockOfAWholeAnswer) {
  ApiHarness api;
  api.say(kWeather);
  Json body = question();
  body["max_tokens"] = api.tokenizer.encode(kWeather).size() - 2;
  const Json answer = api.ask(kMessages, body);
  EXPECT_EQ(answer["stop_reason"], "max_tokens");
  EXPECT_EQ(answer["content"].size(), 2u);
  EXPECT_THAT(story(stream(api, body)), HasSubstr("2 tool_use"));
}

TEST(MessagesTest, UsageTellsWhatCameFromTheCache) {
  ApiHarness api;
  api.say("abc</think>xyz");
  const Json first = api.ask(kMessages, question())["usage"];
  EXPECT_EQ(first["cache_read_input_tokens"], 0);
  EXPECT_EQ(first["output_tokens"], api.tokenizer.encode("abc</think>xyz").size() + 1);
  EXPECT_EQ(first["output_tokens_details"]["thinking_tokens"],
            api.tokenizer.encode("abc</think>").size());
  const std::string body = stream(api, question());
  const Json start = Json::parse(ApiHarness::events_of(body)[0])["message"]["usage"];
  EXPECT_GT(start["cache_read_input_tokens"], 0);
  EXPECT_EQ(start["cache_read_input_tokens"].get<int>() + start["input_tokens"].get<int>(),
            first["input_tokens"]);
  const std::vector<std::string> events = ApiHarness::events_of(body);
  const Json end = Json::parse(events[events.size() - 2])["usage"];
  EXPECT_EQ(end["output_tokens"], first["output_tokens"]);
  EXPECT_EQ(end["output_tokens_details"], first["output_tokens_details"]);
}

// The assistant's turn of `answer` and what its calls gave, appended to the conversation.
void append_turn(Json& body, const Json& answer, std::string_view result) {
  body["messages"].push_back({{"role", "assistant"}, {"content", answer["content"]}});
  Json results = Json::array();
  for (const Json& block : answer["content"]) {
    if (block["type"] == "tool_use")
      results.push_back(
          {{"type", "tool_result"}, {"tool_use_id", block["id"]}, {"content", result}});
  }
  body["messages"].push_back({{"role", "user"}, {"content", results}});
}

int prompt_tokens(const Json& usage) {
  return usage["input_tokens"].get<int>() + usage["cache_read_input_tokens"].get<int>();
}

TEST(MessagesTest, EachTurnOfAToolLoopFindsTheLastOneInTheCache) {
  ApiHarness api;
  Json body = question();
  body["thinking"] = {{"type", "enabled"}, {"budget_tokens", 1024}};
  const int page = api.context.limits.page_size;
  int known = 0;  // tokens of the conversation so far: all but a page's rest must be cached
  for (int turn = 0; turn < 4; ++turn) {
    body["system"] = Json::array(
        {{{"type", "text"}, {"text", cat("x-anthropic-billing-header: cch=", turn, ";")}},
         {{"type", "text"}, {"text", "You are an agent."}}});
    api.say(cat("Step ", turn, " needs the weather.</think>Looking.<tool_call>get_weather<arg_key>",
                "location</arg_key><arg_value>City ", turn, "</arg_value></tool_call>"));
    const Json answer = api.ask(kMessages, body);
    ASSERT_EQ(answer["stop_reason"], "tool_use");
    EXPECT_GT(answer["usage"]["cache_read_input_tokens"].get<int>(), known - page) << turn;
    // The stop id and the token before it have no row that a next turn could share.
    known = prompt_tokens(answer["usage"]) + answer["usage"]["output_tokens"].get<int>() - 2;
    append_turn(body, answer, "22 degrees");
  }
}

TEST(MessagesTest, ANewQuestionFindsTheAgentsChainInTheCache) {
  ApiHarness api;
  Json body = question();
  api.say(kWeather);
  const Json first = api.ask(kMessages, body);
  append_turn(body, first, "22 degrees");
  api.say("So it is warm.</think>It is warm.");
  const Json second = api.ask(kMessages, body);
  body["messages"].push_back({{"role", "assistant"}, {"content", second["content"]}});
  body["messages"].push_back({{"role", "user"}, {"content", "And tomorrow?"}});
  const Json third = api.ask(kMessages, body);
  EXPECT_GE(third["usage"]["cache_read_input_tokens"].get<int>(),
            prompt_tokens(second["usage"]) - api.context.limits.page_size);
}

TEST(MessagesTest, AStreamThatWaitsForItsFirstTokenPings) {
  ApiHarness api;
  api.say("abc</think>xyz");
  Json body = question();
  body["stream"] = true;
  const auto exchange = api.post(kMessages, body);
  exchange->time_passes();
  EXPECT_EQ(story(exchange->body), "message_start\nping\n");
  api.finish(*exchange);
  EXPECT_THAT(story(exchange->body), testing::EndsWith("message_delta\nmessage_stop\n"));
  EXPECT_THAT(exchange->body, HasSubstr(R"("usage":{"input_tokens":)"));
}

TEST(MessagesTest, CountTokensIsTheLengthOfThePrompt) {
  ApiHarness api;
  api.say("abc</think>xyz");
  const Json usage = api.ask(kMessages, question())["usage"];
  Json body = question();
  body.erase("max_tokens");
  const Json counted = api.ask("/v1/messages/count_tokens", body);
  EXPECT_EQ(counted, (Json{{"input_tokens", usage["input_tokens"]}}));
}

TEST(MessagesTest, APromptThatIsTooLongIsRefusedInAnthropicsWords) {
  ApiHarness api;
  std::string text;
  for (int i = 0; i < 2100; ++i) text += '7';
  const auto exchange = api.post(kMessages, question(text));
  EXPECT_EQ(exchange->status, 400);
  const Json error = Json::parse(exchange->body)["error"];
  EXPECT_EQ(error["type"], "invalid_request_error");
  EXPECT_THAT(error["message"].get<std::string>(),
              testing::MatchesRegex("prompt is too long: [0-9]+ tokens > 2047 maximum"));
}

TEST(MessagesTest, APromptTooLongToBeCountedIsRefusedInAnthropicsWordsToo) {
  ApiHarness api;
  for (const char* path : {kMessages, "/v1/messages/count_tokens"}) {
    const auto exchange = api.post(path, question(std::string(5000, '7')));
    EXPECT_EQ(exchange->status, 400);
    EXPECT_EQ(Json::parse(exchange->body)["error"]["message"],
              "prompt is too long: more than 4096 tokens > 2047 maximum");
  }
}

TEST(MessagesTest, AFullQueueIsAnOverloadedError) {
  SchedulerLimits limits = ApiHarness::default_limits();
  limits.max_queued_requests = 0;
  ApiHarness api(limits);
  const auto exchange = api.post(kMessages, question());
  EXPECT_EQ(exchange->status, 503);
  EXPECT_EQ(Json::parse(exchange->body)["error"]["type"], "overloaded_error");
}

TEST(MessagesTest, AnAbortedAnswerEndsWithAnError) {
  ApiHarness api;
  api.say("abc</think>xyz");
  Json body = question();
  const auto whole = api.post(kMessages, body);
  body["stream"] = true;
  const auto streamed = api.post(kMessages, body);
  api.engine.stop();
  api.engine.run();
  whole->run_posted();
  streamed->run_posted();
  EXPECT_EQ(whole->status, 499);
  EXPECT_EQ(Json::parse(whole->body)["error"]["type"], "api_error");
  EXPECT_THAT(story(streamed->body), testing::EndsWith("error\n"));
}

}  // namespace
}  // namespace glint
