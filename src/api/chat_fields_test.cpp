// The fields of a chat request beyond OpenAI's: how the prompt is made, and what stands beside the
// answer.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/api_harness.h"
#include "base/utf8.h"

namespace glint {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kChat = "/v1/chat/completions";

Json with(Json body, const Json& more) {
  body.update(more);
  return body;
}

// What a request's prompt is, as the answer says.
std::string prompt_of(ApiHarness& api, Json body) {
  api.say("x");
  body["return_prompt_token_ids"] = true;
  const Json answer = api.ask(kChat, body);
  if (!answer.contains("choices")) return answer["error"]["message"];
  const Json& ids = answer["choices"][0]["prompt_token_ids"];
  EXPECT_EQ(ids, answer["prompt_token_ids"]);
  EXPECT_EQ(ids.size(), answer["usage"]["prompt_tokens"]);
  return api.tokenizer.decode(ids.get<std::vector<TokenId>>(), false);
}

Json conversation(const std::string& last) {
  return Json{{"messages", Json::array({{{"role", "user"}, {"content", "Hi"}},
                                        {{"role", "assistant"}, {"content", last}}})}};
}

TEST(ChatPromptTest, TheLastMessageIsContinued) {
  ApiHarness api;
  EXPECT_EQ(prompt_of(api, with(conversation("It is "), {{"continue_final_message", true},
                                                         {"add_generation_prompt", false}})),
            "[gMASK]<sop><|user|>Hi<|assistant|></think>It is ");
  EXPECT_EQ(prompt_of(api, with(conversation("It is "), {{"add_generation_prompt", false}})),
            "[gMASK]<sop><|user|>Hi<|assistant|></think>It is");
  EXPECT_THAT(prompt_of(api, with(conversation("It is "), {{"continue_final_message", true},
                                                           {"add_generation_prompt", true}})),
              HasSubstr("both true"));
  EXPECT_THAT(prompt_of(api, with(user_says("Hi"), {{"continue_final_message", true}})),
              HasSubstr("expected assistant"));
}

// As OpenAI's and vLLM's clients keep an answer.
TEST(ChatPromptTest, PartsOfAnAnswerMayBeRefusalsAndThinking) {
  ApiHarness api;
  const Json with_parts = Json::parse(R"({"messages":[{"role":"user","content":"Hi"},
    {"role":"assistant","content":[{"type":"thinking","thinking":"hm"},
      {"type":"text","text":"No."},{"type":"refusal","refusal":"I will not."}]},
    {"role":"user","content":"Why?"}]})");
  const Json plain = Json::parse(R"({"messages":[{"role":"user","content":"Hi"},
    {"role":"assistant","reasoning_content":"hm","content":[{"type":"text","text":"No."},
      {"type":"text","text":"I will not."}]},
    {"role":"user","content":"Why?"}]})");
  EXPECT_EQ(prompt_of(api, with_parts), prompt_of(api, plain));
  EXPECT_THAT(prompt_of(api, plain), HasSubstr("I will not."));
}

TEST(ChatPromptTest, AContinuedAnswerGoesOnWhereItWas) {
  ApiHarness api;
  api.say("blue.");
  const Json body = with(conversation("It is "), {{"continue_final_message", true}});
  EXPECT_EQ(api.ask(kChat, body)["choices"][0]["message"]["content"], "blue.");
  api.say(" so</think>yes");
  const Json message =
      api.ask(kChat, with(conversation("<think>Blue"),
                          {{"continue_final_message", true}}))["choices"][0]["message"];
  EXPECT_EQ(message["reasoning_content"], " so");
  EXPECT_EQ(message["content"], "yes");
}

TEST(ChatPromptTest, ThereAreMoreWaysNotToThink) {
  ApiHarness api;
  for (const char* way :
       {R"({"reasoning_effort":"none"})", R"({"reasoning":{"enabled":false}})",
        R"({"reasoning":{"effort":"none"}})", R"({"thinking":{"type":"disabled"}})"}) {
    EXPECT_EQ(prompt_of(api, with(user_says("Hi"), Json::parse(way))),
              "[gMASK]<sop><|user|>Hi<|assistant|></think>")
        << way;
  }
  // What the template is told counts before all of them.
  for (const char* way :
       {R"({"reasoning":{"enabled":true}})", R"({"thinking":{"type":"enabled"}})",
        R"({"thinking":{"type":"adaptive"}})", R"({"thinking":{}})", R"({"reasoning_effort":0.5})",
        R"({"reasoning_effort":"none","chat_template_kwargs":{"enable_thinking":true}})"}) {
    EXPECT_EQ(prompt_of(api, with(user_says("Hi"), Json::parse(way))),
              "[gMASK]<sop><|user|>Hi<|assistant|><think>")
        << way;
  }
}

// What is none of them is refused: docs/api.md has the list.
TEST(ChatPromptTest, EveryEffortIsTaken) {
  ApiHarness api;
  for (const char* effort : {"minimal", "low", "medium", "high", "xhigh", "max"}) {
    EXPECT_THAT(prompt_of(api, with(user_says("Hi"), {{"reasoning_effort", effort}})),
                HasSubstr("<|assistant|><think>"));
    EXPECT_THAT(prompt_of(api, with(user_says("Hi"), {{"reasoning", {{"effort", effort}}}})),
                HasSubstr("<|assistant|><think>"));
  }
}

TEST(ChatPromptTest, IdsStandForTheMessages) {
  ApiHarness api;
  const auto ids = api.tokenizer.encode("<|user|>Hi<|assistant|><think>");
  EXPECT_EQ(prompt_of(api, {{"input_ids", ids}}), "<|user|>Hi<|assistant|><think>");
  api.say("hm</think>yes");
  const Json thinks = api.ask(kChat, {{"input_ids", ids}})["choices"][0]["message"];
  EXPECT_EQ(thinks["reasoning_content"], "hm");
  EXPECT_EQ(thinks["content"], "yes");
  api.say("yes");
  const auto closed = api.tokenizer.encode("<think>a</think><|user|>Hi<|assistant|>");
  EXPECT_EQ(api.ask(kChat, {{"input_ids", closed}})["choices"][0]["message"]["content"], "yes");
}

TEST(ChatExtrasTest, IdsOfTheAnswerAddUpInAStream) {
  ApiHarness api;
  api.say("so</think>yes");
  const Json body = with(user_says("Hi"), {{"return_token_ids", true}});
  const Json whole = api.ask(kChat, body)["choices"][0];
  auto expected = api.tokenizer.encode("so</think>yes");
  expected.push_back(tiny_token_id("<|user|>"));
  EXPECT_EQ(whole["token_ids"], Json(expected));
  Json streamed = Json::array();
  int prompts = 0;
  for (const std::string& event : api.stream(kChat, body)) {
    if (event == "[DONE]") break;
    const Json choice = Json::parse(event)["choices"][0];
    streamed.insert(streamed.end(), choice["token_ids"].begin(), choice["token_ids"].end());
    prompts += choice.contains("prompt_token_ids");
  }
  EXPECT_EQ(streamed, whole["token_ids"]);
  EXPECT_EQ(prompts, 1);
}

TEST(ChatExtrasTest, MetaInfoIsAsInGenerate) {
  ApiHarness api;
  api.say("</think>yes");
  const Json body = with(user_says("Hi"), {{"return_meta_info", true}, {"logprobs", true}});
  const Json answer = api.ask(kChat, body);
  const Json& meta = answer["choices"][0]["meta_info"];
  EXPECT_EQ(meta["id"], answer["id"]);
  EXPECT_EQ(meta["finish_reason"]["type"], "stop");
  EXPECT_EQ(meta["finish_reason"]["matched"], tiny_token_id("<|user|>"));
  EXPECT_EQ(meta["completion_tokens"], answer["usage"]["completion_tokens"]);
  EXPECT_EQ(meta["output_token_logprobs"].size(), answer["usage"]["completion_tokens"]);
  EXPECT_EQ(meta["output_token_logprobs"][0],
            Json::array({-0.1, tiny_token_id("</think>"), nullptr}));
  std::vector<std::string> events = api.stream(kChat, body);
  const Json last = Json::parse(events[events.size() - 2]);
  EXPECT_EQ(last["choices"][0]["meta_info"]["output_token_logprobs"],
            meta["output_token_logprobs"]);
}

TEST(ChatExtrasTest, TokensAreNamedByTheirIds) {
  ApiHarness api;
  api.say("</think>yes");
  const Json body =
      with(user_says("Hi"),
           {{"logprobs", true}, {"top_logprobs", 1}, {"return_tokens_as_token_ids", true}});
  const Json entry = api.ask(kChat, body)["choices"][0]["logprobs"]["content"][0];
  const std::string name = cat("token_id:", tiny_token_id("</think>"));
  EXPECT_EQ(entry["token"], name);
  EXPECT_EQ(entry["top_logprobs"][0]["token"], name);
}

TEST(ChatExtrasTest, CachedTokensHaveTheirDetails) {
  ApiHarness api;
  api.say("</think>yes");
  const Json body = with(user_says("Hello there"), {{"return_cached_tokens_details", true}});
  api.ask(kChat, body);
  const Json again = api.ask(kChat, body);
  const Json& cached = again["usage"]["prompt_tokens_details"]["cached_tokens"];
  EXPECT_GT(cached.get<int>(), 0);
  EXPECT_EQ(again["sglext"]["cached_tokens_details"], (Json{{"device", cached}, {"host", 0}}));
  std::vector<Json> with_details;
  for (const std::string& event : api.stream(kChat, body))
    if (event.find("sglext") != std::string::npos) with_details.push_back(Json::parse(event));
  ASSERT_EQ(with_details.size(), 1u);
  EXPECT_TRUE(with_details[0]["choices"].empty());
}

TEST(ChatExtrasTest, ReasoningCanBeLeftOut) {
  ApiHarness api;
  api.say("so</think>yes");
  const Json body = with(user_says("Hi"), {{"include_reasoning", false}});
  const Json answer = api.ask(kChat, body);
  EXPECT_EQ(answer["choices"][0]["message"]["reasoning_content"], nullptr);
  EXPECT_EQ(answer["choices"][0]["message"]["content"], "yes");
  EXPECT_GT(answer["usage"]["reasoning_tokens"], 0);
  for (const std::string& event : api.stream(kChat, body))
    EXPECT_EQ(event.find("\"so"), std::string::npos);
}

// As SGLang's documentation sets a budget: the processor is Python's, pickled.
TEST(ThinkingBudgetTest, NeedsNoLogitProcessor) {
  ApiHarness api;
  api.say("so</think>yes");
  const Json body = with(user_says("Hi"), {{"custom_logit_processor", "{\"callable\": \"8004\"}"},
                                           {"custom_params", {{"thinking_budget", 7}}}});
  EXPECT_EQ(api.ask(kChat, body)["choices"][0]["message"]["content"], "yes");
}

TEST(RepetitionTest, AnAnswerThatTurnsInACircleIsEnded) {
  ApiHarness api;
  api.say("</think>well no no no no no no");
  const Json body = with(user_says("Hi"),
                         {{"repetition_detection", {{"max_pattern_size", 4}, {"min_count", 3}}}});
  const Json choice = api.ask(kChat, body)["choices"][0];
  EXPECT_EQ(choice["message"]["content"], "well no no no");
  EXPECT_EQ(choice["finish_reason"], "stop");
  EXPECT_EQ(choice["matched_stop"], "repetition_detected");
  EXPECT_EQ(choice["stop_reason"], "repetition_detected");
  const Json native = api.ask(
      "/generate", {{"text", "Hi"},
                    {"sampling_params", {{"repetition_detection", body["repetition_detection"]}}}});
  EXPECT_EQ(native["meta_info"]["finish_reason"]["matched"], "repetition_detected");
}

TEST(StopReasonTest, IsNullAtANaturalEnd) {
  ApiHarness api;
  api.say("</think>yes");
  const Json natural = api.ask(kChat, user_says("Hi"))["choices"][0];
  EXPECT_EQ(natural["matched_stop"], tiny_token_id("<|user|>"));
  EXPECT_EQ(natural["stop_reason"], nullptr);
  const Json asked = with(user_says("Hi"), {{"stop_token_ids", {tiny_token_id("</think>")}}});
  EXPECT_EQ(api.ask(kChat, asked)["choices"][0]["stop_reason"], tiny_token_id("</think>"));
}

// vLLM's shape. Beside two answers, which a stop string ends; it ends no scores.
TEST(ChatPromptLogprobsTest, StandBesideTheChoices) {
  ApiHarness api;
  api.say("yes, it is");
  const Json body =
      with(user_says("Hi there"),
           {{"prompt_logprobs", 2}, {"return_prompt_token_ids", true}, {"n", 2}, {"stop", {"i"}}});
  const Json answer = api.ask(kChat, body);
  ASSERT_EQ(answer["choices"].size(), 2u);
  for (const Json& choice : answer["choices"]) {
    EXPECT_EQ(choice["message"]["reasoning_content"], "yes, ");
    EXPECT_EQ(choice["logprobs"], nullptr);
  }
  const Json &ids = answer["prompt_token_ids"], &scores = answer["prompt_logprobs"];
  ASSERT_EQ(scores.size(), ids.size());
  EXPECT_EQ(answer["usage"]["prompt_tokens"], ids.size());
  EXPECT_EQ(scores[0], nullptr);
  for (size_t i = 1; i < ids.size(); ++i) {
    const auto id = ids[i].get<TokenId>();
    ASSERT_EQ(scores[i].size(), 2u) << scores[i].dump();
    EXPECT_EQ(scores[i][std::to_string(id)],
              Json({{"logprob", -0.1},
                    {"rank", 1},
                    {"decoded_token", to_valid_utf8(api.tokenizer.token_bytes(id))}}));
    EXPECT_EQ(scores[i][std::to_string(id + 1)]["rank"], 2);
  }
}

TEST(ChatPromptLogprobsTest, AnIdWithoutATokenIsRefused) {
  ApiHarness api;
  const int first = api.tokenizer.num_tokens();
  const Json answer = api.ask(kChat, {{"input_ids", {5, first}}, {"prompt_logprobs", 0}});
  EXPECT_EQ(answer["error"]["param"], "prompt_logprobs");
  EXPECT_THAT(answer["error"]["message"].get<std::string>(), HasSubstr("stands for no token"));
}

// Tokens of a chat's prompt get scores, and its answer is the same, however long it is.
TEST(ChatPromptLogprobsTest, OfLongPrompts) {
  for (const size_t num_tokens : {1u, 257u, 258u, 1500u}) {
    SCOPED_TRACE(cat(num_tokens, " tokens"));
    ApiHarness api;
    api.say("yes");
    const std::vector<TokenId> ids(num_tokens, 5);
    const Json answer = api.ask(kChat, {{"input_ids", ids}, {"prompt_logprobs", 0}});
    ASSERT_EQ(answer["prompt_logprobs"].size(), num_tokens);
    EXPECT_EQ(answer["prompt_logprobs"][0], nullptr);
    for (size_t i = 1; i < num_tokens; ++i)
      EXPECT_EQ(answer["prompt_logprobs"][i]["5"]["logprob"], -0.1);
    EXPECT_EQ(answer["choices"][0]["message"]["content"], "yes");
  }
}

}  // namespace
}  // namespace glint
