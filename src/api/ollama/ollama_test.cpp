// Ollama's chat and generate: lines and whole answers, what is passed on and what is refused.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/api_harness.h"
#include "api/ollama/ollama_request.h"
#include "api/ollama/shapes.h"

namespace glint {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

constexpr const char* kChat = "/api/chat";
constexpr const char* kGenerate = "/api/generate";

const char* const kWeather =
    "I need the weather.</think>Let me look.<tool_call>get_weather<arg_key>location</arg_key>"
    "<arg_value>Beijing</arg_value></tool_call><tool_call>get_weather</tool_call>";

Json question() {
  Json body = user_says("What is the weather in Beijing?");
  body["model"] = "glm:latest";
  body["tools"] = Json::parse(R"([{"type":"function","function":{"name":"get_weather",
    "parameters":{"type":"object","properties":{"location":{"type":"string"}}}}}])");
  return body;
}

Json whole(ApiHarness& api, const char* path, Json body) {
  body["stream"] = false;
  return api.ask(path, body);
}

// The lines of a streamed answer, which is what comes unless stream is false.
std::vector<Json> lines(ApiHarness& api, const char* path, const Json& body) {
  const auto exchange = api.post(path, body);
  api.finish(*exchange);
  EXPECT_EQ(exchange->status, 200);
  std::vector<Json> parsed;
  std::istringstream text(exchange->body);
  for (std::string line; std::getline(text, line);) parsed.push_back(Json::parse(line));
  return parsed;
}

std::string prompt(const char* body, OllamaEndpoint endpoint) {
  ApiHarness api;
  Result<OllamaRequest> request = parse_ollama_request(Json::parse(body), endpoint, api.context);
  EXPECT_TRUE(request) << request.error().message;
  const ChatRequest& chat = request->chat;
  return render_chat(chat.messages, chat.tools, chat.template_options)->text;
}

TEST(OllamaTest, AnswersAChatWithThinkingContentAndCalls) {
  ApiHarness api;
  api.say(kWeather);
  const Json answer = whole(api, kChat, question());
  EXPECT_EQ(answer["model"], "glm:latest");
  EXPECT_EQ(answer["message"]["role"], "assistant");
  EXPECT_EQ(answer["message"]["thinking"], "I need the weather.");
  EXPECT_EQ(answer["message"]["content"], "Let me look.");
  const Json& calls = answer["message"]["tool_calls"];
  ASSERT_EQ(calls.size(), 2u);
  EXPECT_EQ(calls[0]["function"]["name"], "get_weather");
  EXPECT_EQ(calls[0]["function"]["arguments"], (Json{{"location", "Beijing"}}));
  EXPECT_EQ(calls[1]["function"]["arguments"], Json::object());
  EXPECT_EQ(answer["done"], true);
  EXPECT_EQ(answer["done_reason"], "stop");
}

TEST(OllamaTest, TheLinesPutTogetherAreTheWholeAnswer) {
  ApiHarness api;
  api.say(kWeather);
  const std::vector<Json> all = lines(api, kChat, question());
  std::string thinking, content;
  Json calls = Json::array();
  for (const Json& line : all) {
    EXPECT_EQ(line["done"], &line == &all.back());
    const Json& message = line["message"];
    content += message["content"].get<std::string>();
    thinking += message.value("thinking", "");
    for (const Json& call : message.value("tool_calls", Json::array())) calls.push_back(call);
  }
  EXPECT_GT(all.size(), 4u);
  EXPECT_EQ(thinking, "I need the weather.");
  EXPECT_EQ(content, "Let me look.");
  ASSERT_EQ(calls.size(), 2u);
  EXPECT_EQ(calls[1]["function"]["index"], 1);
}

TEST(OllamaTest, GenerateGivesAResponse) {
  ApiHarness api;
  api.say("Hm.</think>Blue.");
  const Json body = {{"prompt", "What colour is the sky?"}};
  const Json answer = whole(api, kGenerate, body);
  EXPECT_EQ(answer["model"], "glint-tiny");
  EXPECT_EQ(answer["response"], "Blue.");
  EXPECT_EQ(answer["thinking"], "Hm.");
  EXPECT_FALSE(answer.contains("message"));
  std::string response;
  for (const Json& line : lines(api, kGenerate, body))
    response += line["response"].get<std::string>();
  EXPECT_EQ(response, "Blue.");
}

TEST(OllamaTest, TheLastLineCountsAndTimes) {
  ApiHarness api;
  api.say("Hm.</think>Blue.");
  const Json end = lines(api, kGenerate, {{"prompt", "Sky?"}}).back();
  EXPECT_EQ(end["eval_count"], api.tokenizer.encode("Hm.</think>Blue.").size() + 1);
  EXPECT_GT(end["prompt_eval_count"], 0);
  const auto prompt_ns = end["prompt_eval_duration"].get<int64_t>();
  const auto answer_ns = end["eval_duration"].get<int64_t>();
  EXPECT_GT(prompt_ns, 0);
  EXPECT_GE(answer_ns, 0);
  EXPECT_NEAR(static_cast<double>(end["total_duration"].get<int64_t>()),
              static_cast<double>(prompt_ns + answer_ns), 2);  // each is rounded
}

TEST(OllamaTest, ALimitIsALengthAndBelowOneIsNone) {
  ApiHarness api;
  api.say("Hm.</think>Blue.");
  Json body = {{"prompt", "Sky?"}, {"options", {{"num_predict", 2}}}};
  const Json cut = whole(api, kGenerate, body);
  EXPECT_EQ(cut["done_reason"], "length");
  EXPECT_EQ(cut["eval_count"], 2);
  for (const int none : {-1, 0}) {
    body["options"]["num_predict"] = none;
    EXPECT_EQ(whole(api, kGenerate, body)["done_reason"], "stop") << none;
  }
  body["options"]["num_predict"] = 1'000'000;  // more than the context: as many as it holds
  EXPECT_EQ(whole(api, kGenerate, body)["done_reason"], "stop");
}

TEST(OllamaTest, OptionsReachTheSampler) {
  ApiHarness api;
  const Json body = Json::parse(R"({"messages":[{"role":"user","content":"Hi"}],"options":{
    "temperature":0.5,"top_p":0.9,"top_k":20,"min_p":0.1,"repeat_penalty":1.1,
    "presence_penalty":0.2,"frequency_penalty":0.3,"seed":7,"stop":["x"],"num_ctx":4096,
    "mirostat":1}})");
  const ChatRequest chat = parse_ollama_request(body, OllamaEndpoint::kChat, api.context)->chat;
  const SamplingParams& sampling = chat.params.sampling;
  EXPECT_FLOAT_EQ(sampling.temperature, 0.5f);
  EXPECT_FLOAT_EQ(sampling.top_p, 0.9f);
  EXPECT_EQ(sampling.top_k, 20);
  EXPECT_FLOAT_EQ(sampling.min_p, 0.1f);
  EXPECT_FLOAT_EQ(sampling.repetition_penalty, 1.1f);
  EXPECT_FLOAT_EQ(sampling.presence_penalty, 0.2f);
  EXPECT_FLOAT_EQ(sampling.frequency_penalty, 0.3f);
  EXPECT_EQ(sampling.seed, 7u);
  EXPECT_EQ(chat.params.text.stop, std::vector<std::string>{"x"});
}

TEST(OllamaTest, ItsNumbersForOffAreOff) {
  ApiHarness api;
  const auto parse = [&] {
    const Json body = Json::parse(R"({"messages":[{"role":"user","content":"Hi"}],
      "options":{"top_k":0,"seed":-1,"num_predict":-2}})");
    return parse_ollama_request(body, OllamaEndpoint::kChat, api.context)->chat;
  };
  const ChatRequest one = parse(), other = parse();
  EXPECT_EQ(one.params.sampling.top_k, -1);
  EXPECT_EQ(one.max_tokens_if_room, std::nullopt);
  EXPECT_NE(one.params.sampling.seed, other.params.sampling.seed);
}

TEST(OllamaTest, ThinkSaysWhetherTheModelThinks) {
  const auto asked = [](const char* think) {
    return prompt(cat(R"({"prompt":"Hi","think":)", think, "}").c_str(), OllamaEndpoint::kGenerate);
  };
  EXPECT_THAT(asked("null"), EndsWith("<|assistant|><think>"));
  EXPECT_THAT(asked("true"), EndsWith("<|assistant|><think>"));
  EXPECT_THAT(asked(R"("low")"), EndsWith("<|assistant|><think>"));
  EXPECT_THAT(asked("false"), EndsWith("<|assistant|></think>"));
}

TEST(OllamaTest, AConversationIsRenderedWithItsThinkingAndCalls) {
  EXPECT_EQ(prompt(R"({"messages":[
      {"role":"system","content":"Be kind."},{"role":"user","content":"Weather?"},
      {"role":"assistant","thinking":"Look.","content":"","tool_calls":[
        {"function":{"name":"get_weather","arguments":{"city":"Rome"}}}]},
      {"role":"tool","tool_name":"get_weather","content":"Sun"},
      {"role":"user","content":"Thanks.","images":[]}]})",
                   OllamaEndpoint::kChat),
            "[gMASK]<sop><|system|>Be kind.<|user|>Weather?<|assistant|><think>Look.</think>"
            "<tool_call>get_weather<arg_key>city</arg_key><arg_value>Rome</arg_value></tool_call>"
            "<|observation|><tool_response>Sun</tool_response><|user|>Thanks."
            "<|assistant|><think>");
}

TEST(OllamaTest, GenerateTakesASystemPrompt) {
  EXPECT_EQ(prompt(R"({"system":"Be kind.","prompt":"Hi"})", OllamaEndpoint::kGenerate),
            "[gMASK]<sop><|system|>Be kind.<|user|>Hi<|assistant|><think>");
}

TEST(OllamaTest, ARawPromptIsSentAsItStands) {
  ApiHarness api;
  api.say("Hm.</think>Blue.");
  const Json answer = whole(api, kGenerate, {{"prompt", "<|user|>Sky?"}, {"raw", true}});
  EXPECT_EQ(answer["prompt_eval_count"], api.tokenizer.encode("<|user|>Sky?").size());
  EXPECT_THAT(answer["response"].get<std::string>(), HasSubstr("Hm."));
  EXPECT_FALSE(answer.contains("thinking"));
}

TEST(OllamaTest, LogprobsComeWithTheirTokens) {
  ApiHarness api;
  api.say("abc</think>xyz");
  const Json body = {{"prompt", "Hi"}, {"logprobs", true}, {"top_logprobs", 2}};
  const Json answer = whole(api, kGenerate, body);
  EXPECT_EQ(answer["logprobs"].size(), answer["eval_count"]);
  EXPECT_EQ(answer["logprobs"][0]["top_logprobs"].size(), 2u);
  size_t streamed = 0;
  for (const Json& line : lines(api, kGenerate, body))
    streamed += line.value("logprobs", Json::array()).size();
  EXPECT_EQ(streamed, answer["eval_count"].get<size_t>());
}

TEST(OllamaTest, NothingToSayIsARequestToLoad) {
  ApiHarness api;
  for (const char* body : {"{}", R"({"messages":[]})", R"({"keep_alive":0,"messages":[]})"}) {
    const Json answer = Json::parse(api.send("POST", kChat, body)->body);
    EXPECT_EQ(answer["done_reason"], "load");
    EXPECT_EQ(answer["message"]["content"], "");
  }
  const Json answer = Json::parse(api.send("POST", kGenerate, R"({"model":"m"})")->body);
  EXPECT_EQ(answer["done"], true);
  EXPECT_EQ(answer["done_reason"], "load");
  EXPECT_EQ(answer["response"], "");
}

TEST(OllamaTest, AnAbortedAnswerEndsWithAnError) {
  ApiHarness api;
  api.say("abc</think>xyz");
  const auto streamed = api.post(kGenerate, {{"prompt", "Hi"}});
  const auto at_once = api.post(kGenerate, {{"prompt", "Hi"}, {"stream", false}});
  api.engine.stop();
  api.engine.run();
  streamed->run_posted();
  at_once->run_posted();
  EXPECT_EQ(streamed->body, "{\"error\":\"The request was aborted.\"}\n");
  EXPECT_EQ(at_once->status, 499);
}

struct Refusal {
  const char* name;
  const char* path;
  const char* body;
  const char* message;  // a part of it
};

class OllamaRefusalTest : public testing::TestWithParam<Refusal> {};

TEST_P(OllamaRefusalTest, IsA400WithAText) {
  ApiHarness api;
  const auto exchange = api.send("POST", GetParam().path, GetParam().body);
  ASSERT_TRUE(exchange->complete);
  EXPECT_EQ(exchange->status, 400);
  EXPECT_THAT(Json::parse(exchange->body)["error"].get<std::string>(),
              HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    All, OllamaRefusalTest,
    testing::Values(
        Refusal{"malformed", kChat, "{", "not valid JSON"},
        Refusal{"role", kChat, R"({"messages":[{"role":"x"}]})", "messages[0].role is \"x\""},
        Refusal{"images", kChat, R"({"messages":[{"role":"user","content":"a","images":["aa"]}]})",
                "messages[0].images holds 1; this model takes text input only."},
        Refusal{"format", kChat, R"({"messages":[{"role":"user","content":"a"}],"format":"json"})",
                "format is not available yet"},
        Refusal{"schema", kGenerate, R"({"prompt":"a","format":{"type":"object"}})",
                "format is not available yet"},
        Refusal{"empty_schema", kGenerate, R"({"prompt":"a","format":{}})",
                "format is not available yet"},
        Refusal{"suffix", kGenerate, R"({"prompt":"a","suffix":"b"})",
                "suffix is not available yet"},
        Refusal{"context", kGenerate, R"({"prompt":"a","context":[1]})",
                "context is not available yet"},
        Refusal{"prompt_image", kGenerate, R"({"prompt":"a","images":["aa"]})", "images holds 1"},
        Refusal{"think", kGenerate, R"({"prompt":"a","think":7})", "think is 7"},
        Refusal{"temperature", kGenerate, R"({"prompt":"a","options":{"temperature":-1}})",
                "temperature is -1"},
        Refusal{"repeat_penalty", kGenerate, R"({"prompt":"a","options":{"repeat_penalty":0}})",
                "options.repeat_penalty is 0; it must be above 0"},
        Refusal{"num_predict", kGenerate, R"({"prompt":"a","options":{"num_predict":"x"}})",
                "options.num_predict is \"x\""},
        Refusal{"no_model", "/api/show", "{}", "model is missing"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(OllamaModelsTest, TheOneModelIsListedAndLoaded) {
  ApiHarness api;
  const Json tags = Json::parse(api.send("GET", "/api/tags", "")->body)["models"];
  ASSERT_EQ(tags.size(), 1u);
  EXPECT_EQ(tags[0]["name"], "glint-tiny");
  EXPECT_EQ(tags[0]["digest"].get<std::string>().size(), 64u);
  EXPECT_GT(tags[0]["size"], 0);
  const Json loaded = Json::parse(api.send("GET", "/api/ps", "")->body)["models"][0];
  EXPECT_EQ(loaded["name"], "glint-tiny");
  EXPECT_EQ(loaded["context_length"], api.context.limits.context_length);
  EXPECT_EQ(api.send("GET", "/api/version", "")->status, 200);
}

TEST(OllamaModelsTest, ShowSaysWhatTheModelCanDo) {
  ApiHarness api;
  Json shown = Json::parse(api.send("POST", "/api/show", R"({"model":"glm:latest"})")->body);
  EXPECT_EQ(shown["capabilities"], Json::parse(R"(["completion","tools","thinking"])"));
  EXPECT_EQ(shown["model_info"]["glm4_moe_lite.context_length"], api.context.limits.context_length);
  api.context.options.parse_tool_calls = false;
  shown = Json::parse(api.send("POST", "/api/show", R"({"name":"m"})")->body);
  EXPECT_EQ(shown["capabilities"], Json::parse(R"(["completion","thinking"])"));
}

TEST(OllamaModelsTest, TimesAreWrittenAsGoWritesThem) {
  EXPECT_EQ(rfc3339(1'700'000'000'000'000'042), "2023-11-14T22:13:20.000000042Z");
}

}  // namespace
}  // namespace glint
