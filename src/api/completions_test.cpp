// /v1/completions: prompts with their log-probabilities, and the best of several answers.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/api_harness.h"

namespace glint {
namespace {

constexpr const char* kText = "/v1/completions";

Json with(Json body, const Json& more) {
  body.update(more);
  return body;
}

// The runner says -0.1 of each token, and of the likeliest -0.1, -1.1 …
TEST(EchoTest, ThePromptsTokensHaveLogprobsButTheFirst) {
  ApiHarness api;
  api.say(" yes");
  const Json body = {{"prompt", "one two"}, {"echo", true}, {"logprobs", 1}, {"max_tokens", 50}};
  const Json answer = api.ask(kText, body);
  const Json& choice = answer["choices"][0];
  EXPECT_EQ(choice["text"], "one two yes");
  const Json& logprobs = choice["logprobs"];
  const size_t prompt_size = api.tokenizer.encode("one two").size();
  ASSERT_EQ(logprobs["tokens"].size(),
            prompt_size + answer["usage"]["completion_tokens"].get<size_t>());
  EXPECT_EQ(answer["usage"]["prompt_tokens"], prompt_size);
  EXPECT_EQ(logprobs["token_logprobs"][0], nullptr);
  EXPECT_EQ(logprobs["top_logprobs"][0], nullptr);
  for (size_t i = 1; i < logprobs["tokens"].size(); ++i) {
    EXPECT_EQ(logprobs["token_logprobs"][i], -0.1);
    EXPECT_EQ(logprobs["top_logprobs"][i].size(), 1u);
  }
  std::string text;
  for (size_t i = 0; i + 1 < logprobs["tokens"].size(); ++i) {  // the last is a stop id
    EXPECT_EQ(logprobs["text_offset"][i], text.size());
    text += logprobs["tokens"][i].get<std::string>();
  }
  EXPECT_EQ(text, "one two yes");
}

// The scripted model's best tokens begin with the sampled one; asked for 0, that is there all the
// same.
TEST(CompletionLogprobsTest, HaveTheTokenItself) {
  ApiHarness api;
  api.say("yes");
  for (const int num_top : {0, 2}) {
    const Json body = {{"prompt", "one"}, {"logprobs", num_top}, {"max_tokens", 1}};
    const Json logprobs = api.ask(kText, body)["choices"][0]["logprobs"];
    const Json& top = logprobs["top_logprobs"][0];
    EXPECT_EQ(top[logprobs["tokens"][0].get<std::string>()], -0.1);
    EXPECT_EQ(top.size(), std::max<size_t>(1, static_cast<size_t>(num_top)));
  }
}

TEST(EchoTest, StreamsThePromptWithItsLogprobsFirst) {
  ApiHarness api;
  api.say(" yes");
  const Json body = {{"prompt", {"one two", "three"}},
                     {"echo", true},
                     {"logprobs", 0},
                     {"n", 2},
                     {"max_tokens", 9}};
  const Json whole = api.ask(kText, body);
  std::vector<std::string> texts(4);
  std::vector<Json> tokens(4, Json::array());
  for (const std::string& event : api.stream(kText, body)) {
    if (event == "[DONE]") break;
    const Json choice = Json::parse(event)["choices"][0];
    const auto index = choice["index"].get<size_t>();
    texts[index] += choice["text"].get<std::string>();
    const Json& more = choice["logprobs"]["tokens"];
    tokens[index].insert(tokens[index].end(), more.begin(), more.end());
  }
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(texts[i], whole["choices"][i]["text"]);
    EXPECT_EQ(tokens[i], whole["choices"][i]["logprobs"]["tokens"]);
  }
}

// What evaluation harnesses send: a loglikelihood is a prompt's alone.
TEST(EchoTest, NoNewTokensGiveThePromptAlone) {
  ApiHarness api;
  const Json body = {
      {"prompt", {{5, 6, 7}, {8}}}, {"echo", true}, {"logprobs", 1}, {"max_tokens", 0},
      {"temperature", 0},           {"seed", 1}};
  const Json answer = api.ask(kText, body);
  EXPECT_EQ(answer["choices"][0]["logprobs"]["token_logprobs"], Json::parse("[null,-0.1,-0.1]"));
  EXPECT_EQ(answer["choices"][1]["logprobs"]["token_logprobs"], Json::parse("[null]"));
  EXPECT_EQ(answer["usage"]["completion_tokens"], 0);
}

TEST(EchoTest, AnIdWithoutATokenCannotBeScored) {
  ApiHarness api;
  const int first = api.tokenizer.num_tokens();
  ASSERT_LT(first, api.context.config.vocab_size);
  const Json body = {{"prompt", {5, first}}, {"echo", true}, {"logprobs", 0}};
  EXPECT_EQ(api.ask(kText, body)["error"]["param"], "echo");
  const Json native = {{"input_ids", {5, first}},
                       {"return_logprob", true},
                       {"logprob_start_len", 0},
                       {"sampling_params", {{"max_new_tokens", 0}}}};
  EXPECT_EQ(api.ask("/generate", native)["error"]["param"], "logprob_start_len");
  const Json chosen = {{"text", "a"}, {"token_ids_logprob", {first}}};
  EXPECT_EQ(api.ask("/generate", chosen)["error"]["param"], "token_ids_logprob");
}

// In pieces of 256 tokens, which come in whatever order.
TEST(EchoTest, PromptsOfAnyLengthAreScored) {
  for (const size_t num_tokens : {1u, 2u, 256u, 257u, 258u, 3000u}) {
    SCOPED_TRACE(cat(num_tokens, " tokens"));
    SchedulerLimits limits = ApiHarness::default_limits();
    limits.context_length = 4096;
    limits.num_pages = 32768;
    ApiHarness api(limits);
    api.say("yes");
    std::vector<TokenId> ids;
    for (size_t i = 0; i < num_tokens; ++i) ids.push_back(static_cast<TokenId>(i * 7 % 200));
    const Json answer = api.ask(kText, {{"prompt", {ids, {5}}},
                                        {"echo", true},
                                        {"logprobs", 0},
                                        {"prompt_logprobs", 0},
                                        {"return_tokens_as_token_ids", true},
                                        {"max_tokens", 1}});
    const Json& choice = answer["choices"][0];
    ASSERT_EQ(choice["logprobs"]["tokens"].size(), num_tokens + 1);
    ASSERT_EQ(choice["prompt_logprobs"].size(), num_tokens);
    for (size_t i = 0; i < num_tokens; ++i)
      EXPECT_EQ(choice["logprobs"]["tokens"][i], cat("token_id:", ids[i]));
    for (size_t i = 1; i < num_tokens; ++i)
      EXPECT_TRUE(choice["prompt_logprobs"][i].contains(std::to_string(ids[i])));
    EXPECT_EQ(answer["usage"]["prompt_tokens"], num_tokens + 1);
    EXPECT_EQ(answer["usage"]["completion_tokens"], 2);
  }
}

TEST(PromptLogprobsTest, HaveVllmsShape) {
  ApiHarness api;
  api.say("y");
  const Json choice = api.ask(kText, {{"prompt", {5, 6, 7}}, {"prompt_logprobs", 2}})["choices"][0];
  ASSERT_EQ(choice["prompt_logprobs"].size(), 3u);
  EXPECT_EQ(choice["prompt_logprobs"][0], nullptr);
  const Json& entry = choice["prompt_logprobs"][1]["6"];
  EXPECT_EQ(entry["logprob"], -0.1);
  EXPECT_EQ(entry["decoded_token"], std::string(api.tokenizer.token_bytes(6)));
  EXPECT_EQ(choice["logprobs"], nullptr);
}

TEST(BestOfTest, SendsNOfThem) {
  ApiHarness api;
  api.say("yes");
  const Json body = {{"prompt", {"a", "b"}}, {"n", 2}, {"best_of", 3}, {"max_tokens", 9}};
  const Json answer = api.ask(kText, body);
  ASSERT_EQ(answer["choices"].size(), 4u);
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(answer["choices"][i]["index"], i);
  EXPECT_EQ(answer["choices"][0]["logprobs"], nullptr);
  const size_t each = api.tokenizer.encode("yes").size() + 1;
  EXPECT_EQ(answer["usage"]["completion_tokens"], 6 * each);
}

TEST(CompletionExtrasTest, IdsStandBesideTheText) {
  ApiHarness api;
  api.say("yes");
  const Json body = {{"prompt", "a"},
                     {"return_token_ids", true},
                     {"logprobs", 0},
                     {"return_tokens_as_token_ids", true},
                     {"return_cached_tokens_details", true}};
  const Json answer = api.ask(kText, body);
  const Json& choice = answer["choices"][0];
  auto ids = api.tokenizer.encode("yes");
  ids.push_back(tiny_token_id("<|user|>"));
  EXPECT_EQ(choice["token_ids"], Json(ids));
  EXPECT_EQ(choice["prompt_token_ids"], Json(api.tokenizer.encode("a")));
  EXPECT_EQ(choice["logprobs"]["tokens"][0], cat("token_id:", ids[0]));
  EXPECT_EQ(answer["sglext"]["cached_tokens_details"]["device"],
            answer["usage"]["prompt_tokens_details"]["cached_tokens"]);
  Json streamed = Json::array();
  for (const std::string& event : api.stream(kText, body)) {
    if (event == "[DONE]") break;
    const Json chunk = Json::parse(event);
    if (chunk["choices"].empty()) continue;
    const Json& more = chunk["choices"][0]["token_ids"];
    streamed.insert(streamed.end(), more.begin(), more.end());
  }
  EXPECT_EQ(streamed, Json(ids));
}

// As SGLang's and vLLM's benchmark clients and evaluation harnesses send them.
TEST(CompletionsTest, TakesTheKeysThatClientsSend) {
  ApiHarness api;
  api.say("yes");
  const Json body = Json::parse(R"({"model":"m","prompt":"a","best_of":1,"temperature":0.0,
    "max_tokens":4,"stream":false,"ignore_eos":true,"lora_path":null,"suffix":null,"echo":false,
    "logprobs":null,"repetition_penalty":1.0,"stream_options":{"include_usage":true},
    "return_logprob":false,"return_routed_experts":false,"return_hidden_states":false,
    "stop":null,"user":"me","seed":1234,"top_k":-1,"min_p":0.0,"session_params":null,
    "response_format":null,"json_schema":null,"regex":null,"ebnf":null,"use_beam_search":false})");
  EXPECT_EQ(api.ask(kText, body)["usage"]["completion_tokens"], 4);
  Json chat = with(user_says("Hi"), body);
  chat.erase("prompt");
  chat["max_completion_tokens"] = 4;
  chat.update(Json::parse(R"({"tools":null,"tool_choice":null,"logprobs":false,"n":1,
    "top_logprobs":null,"reasoning_effort":null,"reasoning":null,"chat_template_kwargs":null,
    "store":false,"metadata":null,"service_tier":"auto","parallel_tool_calls":null,
    "custom_params":null,"thinking_budget":null,"input_ids":null,"rid":null,
    "structured_outputs":null,"guided_json":null,"repetition_detection":null})"));
  EXPECT_EQ(api.ask("/v1/chat/completions", chat)["usage"]["completion_tokens"], 4);
}

}  // namespace
}  // namespace glint
