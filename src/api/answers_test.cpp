// The shapes of answers, whole and streamed, and the way back from the engine.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/api_harness.h"
#include "api/generation_params.h"

namespace glint {
namespace {

using testing::HasSubstr;

constexpr const char* kChat = "/v1/chat/completions";
constexpr const char* kText = "/v1/completions";
constexpr const char* kNative = "/generate";

const char* const kWeather =
    "I need the weather.</think>Let me look.<tool_call>get_weather<arg_key>location</arg_key>"
    "<arg_value>Beijing</arg_value></tool_call>";

Json weather_question() {
  Json body = user_says("What is the weather in Beijing?");
  body["tools"] = Json::parse(R"([{"type":"function","function":{"name":"get_weather",
    "parameters":{"type":"object","properties":{"location":{"type":"string"}}}}}])");
  return body;
}

// All deltas of choice 0 put together.
struct Heard {
  std::string reasoning, content, arguments, name, finish_reason;
  int chunks = 0;
};
Heard hear(const std::vector<std::string>& events) {
  Heard heard;
  for (const std::string& event : events) {
    if (event == "[DONE]") break;
    const Json chunk = Json::parse(event);
    EXPECT_EQ(chunk["object"], "chat.completion.chunk");
    if (chunk["choices"].empty()) continue;
    const Json& choice = chunk["choices"][0];
    if (choice["index"] != 0) continue;
    ++heard.chunks;
    const Json& delta = choice["delta"];
    if (delta.contains("reasoning_content") && delta["reasoning_content"].is_string())
      heard.reasoning += delta["reasoning_content"].get<std::string>();
    if (delta.contains("content")) heard.content += delta["content"].get<std::string>();
    if (delta.contains("tool_calls")) {
      const Json& function = delta["tool_calls"][0]["function"];
      if (function.contains("name")) heard.name += function["name"].get<std::string>();
      heard.arguments += function["arguments"].get<std::string>();
    }
    if (choice["finish_reason"].is_string())
      heard.finish_reason = choice["finish_reason"].get<std::string>();
  }
  return heard;
}

TEST(ChatTest, SplitsReasoningContentAndCalls) {
  ApiHarness api;
  api.say(kWeather);
  const Json answer = api.ask(kChat, weather_question());
  EXPECT_EQ(answer["object"], "chat.completion");
  EXPECT_EQ(answer["model"], "glint-tiny");
  const Json& choice = answer["choices"][0];
  EXPECT_EQ(choice["message"]["reasoning_content"], "I need the weather.");
  EXPECT_EQ(choice["message"]["content"], "Let me look.");
  const Json& call = choice["message"]["tool_calls"][0];
  EXPECT_EQ(call["type"], "function");
  EXPECT_EQ(call["function"]["name"], "get_weather");
  EXPECT_EQ(call["function"]["arguments"], R"({"location":"Beijing"})");
  EXPECT_EQ(call["id"].get<std::string>().substr(0, 5), "call_");
  EXPECT_EQ(choice["finish_reason"], "tool_calls");
  EXPECT_EQ(choice["matched_stop"], tiny_token_id("<|user|>"));
}

TEST(ChatTest, TheStreamPutTogetherIsTheWholeAnswer) {
  ApiHarness api;
  api.say(kWeather);
  const std::vector<std::string> events = api.stream(kChat, weather_question());
  EXPECT_EQ(events.back(), "[DONE]");
  EXPECT_EQ(Json::parse(events[0])["choices"][0]["delta"]["role"], "assistant");
  const Heard heard = hear(events);
  EXPECT_EQ(heard.reasoning, "I need the weather.");
  EXPECT_EQ(heard.content, "Let me look.");
  EXPECT_EQ(heard.name, "get_weather");
  EXPECT_EQ(heard.arguments, R"({"location":"Beijing"})");
  EXPECT_EQ(heard.finish_reason, "tool_calls");
}

TEST(ChatTest, UsageCountsReasoningAndSaysWhatWasCached) {
  ApiHarness api;
  api.say("abc</think>xyz");
  Json body = user_says("A prompt that is long enough for a page.");
  const Json first = api.ask(kChat, body)["usage"];
  const auto reasoning = static_cast<int>(api.tokenizer.encode("abc</think>").size());
  const auto all = static_cast<int>(api.tokenizer.encode("abc</think>xyz").size()) + 1;  // stop id
  EXPECT_EQ(first["reasoning_tokens"], reasoning);
  EXPECT_EQ(first["completion_tokens_details"]["reasoning_tokens"], reasoning);
  EXPECT_EQ(first["completion_tokens"], all);
  EXPECT_EQ(first["prompt_tokens_details"]["cached_tokens"], 0);
  const Json second = api.ask(kChat, body)["usage"];
  EXPECT_GT(second["prompt_tokens_details"]["cached_tokens"], 0);
}

// Whose answers would come sooner if another had sent the same prompt sends a salt of its own.
TEST(ChatTest, OnlyEqualSaltsSharePrefixes) {
  ApiHarness api;
  api.say("abc</think>xyz");
  Json body = user_says("A prompt that is long enough for a page.");
  const auto cached_with = [&](const Json& salts) {
    Json salted = body;
    salted.update(salts);
    return api.ask(kChat, salted)["usage"]["prompt_tokens_details"]["cached_tokens"].get<int>();
  };
  EXPECT_EQ(cached_with({{"cache_salt", "a"}}), 0);
  EXPECT_EQ(cached_with({{"cache_salt", "b"}}), 0);
  EXPECT_EQ(cached_with(Json::object()), 0);
  EXPECT_EQ(cached_with({{"extra_key", "a"}}), 0);  // not the same as a salt
  const int shared = cached_with({{"cache_salt", "a"}});
  EXPECT_GT(shared, 0);
  EXPECT_EQ(cached_with({{"cache_salt", "b"}}), shared);
  EXPECT_EQ(cached_with({{"extra_key", "a"}, {"cache_salt", ""}}), shared);
  EXPECT_EQ(cached_with({{"extra_key", "a"}, {"cache_salt", "a"}}), 0);
}

TEST(ChatTest, TheUsageChunkComesLastAndOnlyWhenAsked) {
  ApiHarness api;
  api.say("abc</think>xyz");
  Json body = user_says("Hi");
  for (const std::string& event : api.stream(kChat, body)) {
    if (event == "[DONE]") continue;
    EXPECT_FALSE(Json::parse(event).contains("usage"));
  }
  body["stream_options"] = {{"include_usage", true}};
  std::vector<std::string> events = api.stream(kChat, body);
  const Json last = Json::parse(events[events.size() - 2]);
  EXPECT_TRUE(last["choices"].empty());
  EXPECT_GT(last["usage"]["completion_tokens"], 0);
  body["stream_options"]["continuous_usage_stats"] = true;
  for (const std::string& event : api.stream(kChat, body)) {
    if (event == "[DONE]") continue;
    EXPECT_TRUE(Json::parse(event).contains("usage"));
  }
}

TEST(ChatTest, WithoutSeparationTheThinkingStaysInContent) {
  ApiHarness api;
  api.say("abc</think>xyz");
  Json body = user_says("Hi");
  body["separate_reasoning"] = false;
  const Json message = api.ask(kChat, body)["choices"][0]["message"];
  EXPECT_THAT(message["content"].get<std::string>(), HasSubstr("abc"));
  EXPECT_TRUE(message["reasoning_content"].is_null());
}

TEST(ChatTest, ReasoningCanComeInOnePiece) {
  ApiHarness api;
  api.say("one two three</think>xyz");
  Json body = user_says("Hi");
  body["stream_reasoning"] = false;
  int pieces = 0;
  const std::vector<std::string> events = api.stream(kChat, body);
  for (const std::string& event : events)
    pieces += event.find(R"("reasoning_content":")") != std::string::npos;
  EXPECT_EQ(pieces, 1);
  EXPECT_EQ(hear(events).reasoning, "one two three");
  EXPECT_EQ(hear(events).content, "xyz");
}

// SGLang's name of it and vLLM's, in whole answers and in every delta.
TEST(ChatTest, ReasoningHasBothNames) {
  ApiHarness api;
  api.say(kWeather);
  Json body = weather_question();
  const Json message = api.ask(kChat, body)["choices"][0]["message"];
  EXPECT_EQ(message["reasoning_content"], "I need the weather.");
  EXPECT_EQ(message["reasoning"], message["reasoning_content"]);
  for (const bool stream_reasoning : {true, false}) {
    body["stream_reasoning"] = stream_reasoning;
    std::string heard;
    for (const std::string& event : api.stream(kChat, body)) {
      if (event == "[DONE]") continue;
      const Json delta = Json::parse(event)["choices"][0]["delta"];
      ASSERT_TRUE(delta.contains("reasoning")) << event;
      EXPECT_EQ(delta["reasoning"], delta["reasoning_content"]);
      if (delta["reasoning"].is_string()) heard += delta["reasoning"].get<std::string>();
    }
    EXPECT_EQ(heard, "I need the weather.");
  }
}

TEST(ChatTest, ThinkingOffMakesAllOfItContent) {
  ApiHarness api;
  api.say("xyz");
  Json body = user_says("Hi");
  body["chat_template_kwargs"] = {{"enable_thinking", false}};
  const Json answer = api.ask(kChat, body);
  EXPECT_EQ(answer["choices"][0]["message"]["content"], "xyz");
  EXPECT_EQ(answer["usage"]["reasoning_tokens"], 0);
}

TEST(ChatTest, ThinkingIsTurnedOffInZaisWayToo) {
  ApiHarness api;
  api.say("xyz");
  Json body = user_says("Hi");
  const auto message = [&] { return api.ask(kChat, body)["choices"][0]["message"]; };
  body["thinking"] = {{"type", "disabled"}};
  EXPECT_EQ(message()["content"], "xyz");
  body["thinking"] = {{"type", "enabled"}, {"clear_thinking", false}};
  EXPECT_EQ(message()["reasoning_content"], "xyz");
  body["thinking"] = {{"type", "disabled"}};
  body["chat_template_kwargs"] = {{"enable_thinking", true}};
  EXPECT_EQ(message()["reasoning_content"], "xyz");
}

TEST(ChatTest, TheLimitInTheMiddleOfACallLeavesItOut) {
  ApiHarness api;
  api.say(kWeather);
  Json body = weather_question();
  body["max_tokens"] = api.tokenizer.encode(kWeather).size() - 1;
  const Json choice = api.ask(kChat, body)["choices"][0];
  EXPECT_EQ(choice["finish_reason"], "length");
  EXPECT_TRUE(choice["message"]["tool_calls"].is_null());
}

TEST(ChatTest, ACallInWhichTheModelEndsItsTurnIsClosed) {
  ApiHarness api;
  api.say("</think><tool_call>get_weather<arg_key>location</arg_key><arg_value>Rome");
  Json body = weather_question();
  const Json choice = api.ask(kChat, body)["choices"][0];
  EXPECT_EQ(choice["finish_reason"], "tool_calls");
  EXPECT_EQ(choice["message"]["tool_calls"][0]["function"]["arguments"], R"({"location":"Rome"})");
  body["stop"] = "ome";
  EXPECT_TRUE(api.ask(kChat, body)["choices"][0]["message"]["tool_calls"].is_null());
}

TEST(ChatTest, ParallelToolCallsOffEndsBeforeTheSecondCall) {
  ApiHarness api;
  api.say(std::string(kWeather) + "<tool_call>get_weather</tool_call>");
  Json body = weather_question();
  EXPECT_EQ(api.ask(kChat, body)["choices"][0]["message"]["tool_calls"].size(), 2u);
  body["parallel_tool_calls"] = false;
  const Json choice = api.ask(kChat, body)["choices"][0];
  EXPECT_EQ(choice["message"]["tool_calls"].size(), 1u);
  EXPECT_EQ(choice["finish_reason"], "tool_calls");
  while (api.engine.step()) {
  }
  EXPECT_EQ(api.engine.stats().num_running_requests, 0);
}

TEST(ChatTest, EveryChoiceComesWithItsIndex) {
  ApiHarness api;
  api.say("</think>yes");
  Json body = user_says("Hi");
  body["n"] = 3;
  const Json answer = api.ask(kChat, body);
  ASSERT_EQ(answer["choices"].size(), 3u);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(answer["choices"][static_cast<size_t>(i)]["index"], i);
  const auto one = static_cast<int>(api.tokenizer.encode("</think>yes").size()) + 1;
  EXPECT_EQ(answer["usage"]["completion_tokens"], 3 * one);
  EXPECT_EQ(answer["usage"]["total_tokens"], answer["usage"]["prompt_tokens"].get<int>() + 3 * one);
}

TEST(ChatTest, LogprobsHaveOneEntryForEachToken) {
  ApiHarness api;
  api.say("</think>yes");
  Json body = user_says("Hi");
  body["logprobs"] = true;
  body["top_logprobs"] = 2;
  const Json answer = api.ask(kChat, body);
  const Json& content = answer["choices"][0]["logprobs"]["content"];
  EXPECT_EQ(content.size(), answer["usage"]["completion_tokens"]);
  EXPECT_EQ(content[0]["token"], "</think>");
  EXPECT_EQ(content[0]["logprob"], -0.1);
  EXPECT_EQ(content[0]["top_logprobs"].size(), 2u);
  size_t streamed = 0;
  for (const std::string& event : api.stream(kChat, body)) {
    if (event == "[DONE]") continue;
    const Json logprobs = Json::parse(event)["choices"][0]["logprobs"];
    if (!logprobs.is_null()) streamed += logprobs["content"].size();
  }
  EXPECT_EQ(streamed, content.size());
}

TEST(StopTest, AStopStringEndsTheAnswerBeforeIt) {
  ApiHarness api;
  api.say("one two END three four five six");
  const Json answer = api.ask(kText, {{"prompt", "count"}, {"stop", "END"}, {"max_tokens", 60}});
  EXPECT_EQ(answer["choices"][0]["text"], "one two ");
  EXPECT_EQ(answer["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(answer["choices"][0]["matched_stop"], "END");
  // Through the token that completed the match, though the engine was a step ahead.
  const auto through = static_cast<int>(api.tokenizer.encode("one two END").size());
  EXPECT_EQ(answer["usage"]["completion_tokens"], through);
  while (api.engine.step()) {
  }
  EXPECT_EQ(api.engine.stats().num_running_requests, 0);
  EXPECT_EQ(api.engine.stats().num_used_tokens, 0);
}

TEST(StopTest, TheStringMayStayInTheText) {
  ApiHarness api;
  api.say("one END two");
  const Json answer = api.ask(
      kNative, {{"text", "count"}, {"sampling_params", {{"stop", "END"}, {"no_stop_trim", true}}}});
  EXPECT_EQ(answer["text"], "one END");
  EXPECT_EQ(answer["meta_info"]["finish_reason"]["matched"], "END");
}

TEST(StopTest, IgnoreEosGoesOnToTheLimit) {
  ApiHarness api;
  api.say("x");
  const Json answer =
      api.ask(kText, {{"prompt", "count"}, {"ignore_eos", true}, {"max_tokens", 9}});
  EXPECT_EQ(answer["usage"]["completion_tokens"], 9);
  EXPECT_EQ(answer["choices"][0]["finish_reason"], "length");
}

TEST(CompletionsTest, BatchesAreAnsweredPromptByPromptAndEchoed) {
  ApiHarness api;
  api.say(" yes");
  const Json answer = api.ask(
      kText, {{"prompt", {"first", "second"}}, {"n", 2}, {"echo", true}, {"max_tokens", 16}});
  ASSERT_EQ(answer["choices"].size(), 4u);
  EXPECT_EQ(answer["object"], "text_completion");
  EXPECT_EQ(answer["choices"][0]["text"], "first yes");
  EXPECT_EQ(answer["choices"][1]["text"], "first yes");
  EXPECT_EQ(answer["choices"][3]["text"], "second yes");
}

TEST(CompletionsTest, StreamsDeltasThatAddUp) {
  ApiHarness api;
  const std::string text = "naïve 日本語 🙂 text";
  api.say(text);
  std::string heard, reason;
  for (const std::string& event : api.stream(kText, {{"prompt", "say"}, {"max_tokens", 100}})) {
    if (event == "[DONE]") continue;
    const Json chunk = Json::parse(event);  // throws on a cut character
    heard += chunk["choices"][0]["text"].get<std::string>();
    if (!chunk["choices"][0]["finish_reason"].is_null())
      reason = chunk["choices"][0]["finish_reason"].get<std::string>();
  }
  EXPECT_EQ(heard, text);
  EXPECT_EQ(reason, "stop");
}

TEST(CompletionsTest, DefaultsToSixteenTokens) {
  ApiHarness api;
  api.say(std::string(100, 'q'));
  EXPECT_EQ(api.ask(kText, {{"prompt", "say"}})["usage"]["completion_tokens"], 16);
}

TEST(CompletionsTest, LogprobsSayWhereEachTokenBegins) {
  ApiHarness api;
  api.say("éq");
  const Json logprobs =
      api.ask(kText, {{"prompt", "say"}, {"logprobs", 1}})["choices"][0]["logprobs"];
  EXPECT_EQ(logprobs["text_offset"][0], 0);
  EXPECT_EQ(logprobs["tokens"].size(), logprobs["token_logprobs"].size());
  const size_t of_q = api.tokenizer.encode("é").size();
  EXPECT_EQ(logprobs["tokens"][of_q], "q");
  EXPECT_EQ(logprobs["text_offset"][of_q], 1);
}

TEST(WayBackTest, OneTaskIsPostedHoweverManyEventsCome) {
  ApiHarness api;
  api.say("a b c d e f g h");
  const auto exchange = api.post(kText, {{"prompt", "say"}, {"stream", true}});
  for (int i = 0; i < 6; ++i) api.engine.step();
  EXPECT_EQ(exchange->num_posted(), 1u);
  exchange->run_posted();
  EXPECT_EQ(ApiHarness::events_of(exchange->body).size(), 1u);  // joined
  api.finish(*exchange);
  EXPECT_TRUE(exchange->complete);
}

TEST(WayBackTest, NothingIsWrittenWhileTheClientDoesNotRead) {
  ApiHarness api;
  api.say("a b c d e f g h");
  const auto exchange = api.post(kText, {{"prompt", "say"}, {"stream", true}});
  exchange->is_writable = false;
  while (api.engine.step()) {
  }
  exchange->run_posted();
  EXPECT_EQ(exchange->body, "");
  exchange->become_writable();
  EXPECT_TRUE(exchange->complete);
  EXPECT_EQ(Json::parse(ApiHarness::events_of(exchange->body)[0])["choices"][0]["text"],
            "a b c d e f g h");
}

TEST(WayBackTest, AClientThatLeavesCancelsItsSequences) {
  ApiHarness api;
  api.say(std::string(200, 'q'));
  Json body = {{"prompt", "say"}, {"stream", true}, {"n", 3}, {"max_tokens", 100}};
  const auto exchange = api.post(kText, body);
  for (int i = 0; i < 5; ++i) api.engine.step();
  exchange->run_posted();
  EXPECT_EQ(api.engine.stats().num_running_requests, 3);
  exchange->disconnect();
  api.engine.step();
  EXPECT_EQ(api.engine.stats().num_used_tokens, 0);  // within one step
  exchange->run_posted();
  EXPECT_FALSE(exchange->complete);
}

TEST(StatusTest, ModelsAreListedAndFoundByName) {
  ApiHarness api;
  EXPECT_EQ(Json::parse(api.send("GET", "/v1/models", "")->body)["data"][0]["id"], "glint-tiny");
  EXPECT_EQ(api.send("GET", "/v1/models/glint-tiny", "")->status, 200);
  const auto missing = api.send("GET", "/v1/models/org/other", "");
  EXPECT_EQ(missing->status, 404);
  EXPECT_EQ(Json::parse(missing->body)["error"]["code"], "model_not_found");
}

TEST(StatusTest, HealthFollowsTheServersLife) {
  ApiHarness api;
  EXPECT_EQ(api.send("GET", "/health", "")->status, 200);
  const auto generated = api.send("GET", "/health_generate", "");
  api.finish(*generated);
  EXPECT_EQ(generated->status, 200);
  api.context.shutting_down = true;
  EXPECT_EQ(api.send("GET", "/health", "")->status, 503);
}

TEST(StatusTest, AServerThatShutsDownSaysSoInEachDialect) {
  ApiHarness api;
  api.context.shutting_down = true;
  const auto said = [&](const char* path) {
    const auto refused = api.send("POST", path, "{}");
    EXPECT_EQ(refused->status, 503) << path;
    return Json::parse(refused->body);
  };
  for (const char* path : {"/v1/chat/completions", "/v1/completions", "/v1/responses", "/generate",
                           "/invocations", "/pause_generation"}) {
    const Json body = said(path);
    EXPECT_THAT(std::string(body["error"]["message"]), HasSubstr("shuts down")) << path;
    EXPECT_EQ(body["type"], "ServiceUnavailableError") << path;
  }
  EXPECT_EQ(said("/v1/messages")["error"]["type"], "overloaded_error");
  for (const char* path : {"/api/chat", "/api/generate"})
    EXPECT_THAT(std::string(said(path)["error"]), HasSubstr("shuts down")) << path;
  for (const char* path : {"/metrics", "/v1/loads", "/v1/models", "/server_info", "/api/tags", "/"})
    EXPECT_EQ(api.send("GET", path, "")->status, 200) << path;
  EXPECT_EQ(api.send("POST", "/tokenize", R"({"prompt": "Hi"})")->status, 200);
  EXPECT_EQ(api.send("POST", "/abort_request", R"({"abort_all": true})")->status, 200);
}

// Whatever the route's word for a prompt is.
TEST(StatusTest, AServerThatShutsDownBeginsNothingOnAnyRoute) {
  const std::vector<std::string> bodies = {
      R"({"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "Hi"}]})",
      R"({"model": "m", "prompt": "Hi"})", R"({"text": "Hi"})", R"({"model": "m", "input": "Hi"})"};
  for (const bool shutting_down : {false, true}) {
    ApiHarness api;
    api.context.shutting_down = shutting_down;
    size_t num_begun = 0;
    for (const Router::Route& route : api.router().routes()) {
      if (route.access == Access::kAdmin) continue;
      std::vector<std::shared_ptr<FakeExchange>> kept;
      for (const std::string& body : bodies)
        kept.push_back(api.send(route.method, route.path, body));
      num_begun += api.context.running.find("").size();
      for (const auto& exchange : kept) exchange->disconnect();
    }
    EXPECT_EQ(num_begun > 0, !shutting_down) << num_begun;
  }
}

TEST(StatusTest, TheCacheIsFlushedOnlyWhenNothingRuns) {
  ApiHarness api;
  api.say("yes");
  const auto running = api.post(kText, {{"prompt", "a prompt of more than one page"}});
  api.engine.step();
  const auto refused = api.send("POST", "/flush_cache", "");
  api.finish(*refused);
  EXPECT_EQ(refused->status, 400);
  api.finish(*running);
  while (api.engine.step()) {
  }
  EXPECT_GT(api.engine.stats().num_cached_tokens, 0);
  const auto flushed = api.send("GET", "/flush_cache", "");
  api.finish(*flushed);
  EXPECT_EQ(flushed->status, 200);
  EXPECT_EQ(api.engine.stats().num_free_pages, api.engine.stats().num_pages);
}

// A client sees signs of life while a prompt is long or generation is paused.
TEST(StreamTest, PingsWhenNothingComes) {
  ApiHarness api;
  api.say("thought</think>hello");
  Json body = user_says("hi");
  body["stream"] = true;
  const auto exchange = api.post(kChat, body);
  EXPECT_EQ(exchange->after_s, 15);
  exchange->time_passes();
  exchange->time_passes();
  EXPECT_EQ(exchange->body, ": ping\n\n: ping\n\n");
  while (exchange->body.size() == 16) {
    ASSERT_TRUE(api.engine.step());
    exchange->run_posted();
  }
  const std::string before = exchange->body;
  exchange->time_passes();
  EXPECT_EQ(exchange->body, before);
  exchange->time_passes();
  EXPECT_EQ(exchange->body, before + ": ping\n\n");
  api.finish(*exchange);
  EXPECT_EQ(hear(ApiHarness::events_of(exchange->body)).content, "hello");
}

TEST(RequestsTest, TheChoicesOfAPromptShareIt) {
  ApiHarness api;
  GenerationParams params;
  params.n = 3;
  const SharedTokens one = {1, 2, 3}, other = {4};
  const auto requests = make_requests({one, other}, params, 8, "prompt", api.context);
  ASSERT_TRUE(requests) << requests.error().message;
  ASSERT_EQ(requests->size(), 6u);
  for (int i = 0; i < 6; ++i)
    EXPECT_EQ((*requests)[static_cast<size_t>(i)].prompt.data(), (i < 3 ? one : other).data());
}

// An engine that hangs is reported, not waited for; its late answer is dropped.
TEST(StatusTest, HealthGenerateGivesUpAfterItsTime) {
  ApiHarness api;
  const auto exchange = api.send("GET", "/health_generate", "");
  for (int second = 0; second < 20; ++second) {
    EXPECT_EQ(exchange->after_s, 1);
    EXPECT_EQ(exchange->status, 0);
    exchange->time_passes();
  }
  EXPECT_EQ(exchange->status, 503);
  while (api.engine.step()) exchange->run_posted();
  EXPECT_EQ(exchange->status, 503);
}

// All slots may be taken for long: the probe does not wait for one where tokens are computed.
TEST(StatusTest, HealthGenerateIsContentWithOthersTokens) {
  SchedulerLimits limits = ApiHarness::default_limits();
  limits.max_running_requests = 1;
  ApiHarness api(limits);
  const auto busy = api.send("POST", "/generate", R"({"input_ids": [1], "sampling_params":
      {"max_new_tokens": 100, "ignore_eos": true}})");
  api.engine.step();
  const auto exchange = api.send("GET", "/health_generate", "");
  exchange->time_passes();
  EXPECT_EQ(exchange->status, 0) << "nothing was computed in that second";
  for (int i = 0; i < 3; ++i) api.engine.step();
  exchange->time_passes();
  EXPECT_EQ(exchange->status, 200);
  api.finish(*busy);
}

}  // namespace
}  // namespace glint
