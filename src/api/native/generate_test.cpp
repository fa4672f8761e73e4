// The shapes of /generate's answers, whole and streamed.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/api_harness.h"

namespace glint {
namespace {

using testing::HasSubstr;

constexpr const char* kNative = "/generate";

TEST(GenerateTest, TakesTheKeysThatBenchmarksSend) {
  ApiHarness api;
  api.say("yes, it is");
  const Json body = Json::parse(R"({"text":"Is it?","sampling_params":{"temperature":0.0,
    "max_new_tokens":4,"ignore_eos":true,"stop":null,"stop_token_ids":null,"top_p":1.0,"top_k":-1,
    "min_p":0.0,"frequency_penalty":0.0,"presence_penalty":0.0,"repetition_penalty":1.0,
    "regex":null,"json_schema":null,"ebnf":null,"n":1,"min_new_tokens":0,"skip_special_tokens":true,
    "spaces_between_special_tokens":true,"custom_params":null},"lora_path":null,
    "return_logprob":false,"return_routed_experts":false,"logprob_start_len":-1})");
  const Json answer = api.ask(kNative, body);
  EXPECT_EQ(answer["meta_info"]["completion_tokens"], 4);
  EXPECT_EQ(answer["output_ids"].size(), 4u);
  EXPECT_EQ(answer["meta_info"]["finish_reason"]["type"], "length");
  EXPECT_EQ(answer["meta_info"]["finish_reason"]["length"], 4);
}

TEST(GenerateTest, StreamsAllSoFarOrOnlyWhatIsNew) {
  ApiHarness api;
  api.say("yes, it is so");
  const Json body = {{"text", "Is it?"}};
  const std::vector<std::string> cumulative = api.stream(kNative, body);
  EXPECT_EQ(Json::parse(cumulative[cumulative.size() - 2])["text"], "yes, it is so");
  int last = 0;
  for (const std::string& event : cumulative) {
    if (event == "[DONE]") continue;
    const int tokens = Json::parse(event)["meta_info"]["completion_tokens"].get<int>();
    EXPECT_GT(tokens, last);
    last = tokens;
  }
  api.context.options.incremental_output = true;
  std::string heard;
  for (const std::string& event : api.stream(kNative, body))
    if (event != "[DONE]") heard += Json::parse(event)["text"].get<std::string>();
  EXPECT_EQ(heard, "yes, it is so");
}

TEST(GenerateTest, ABatchIsAnsweredByAList) {
  ApiHarness api;
  api.say("yes");
  const Json answers = api.ask(kNative, Json::parse(R"({"input_ids":[[1,2],[3]],
    "sampling_params":[{"max_new_tokens":1},{"max_new_tokens":2}],"rid":["a","b"]})"));
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(answers[0]["meta_info"]["id"], "a");
  EXPECT_EQ(answers[0]["meta_info"]["completion_tokens"], 1);
  EXPECT_EQ(answers[1]["meta_info"]["prompt_tokens"], 1);
  EXPECT_EQ(answers[1]["meta_info"]["completion_tokens"], 2);
}

TEST(GenerateTest, ReturnsLogprobsOfTheOutput) {
  ApiHarness api;
  api.say("yes");
  const Json meta = api.ask(kNative, {{"text", "a"},
                                      {"return_logprob", true},
                                      {"top_logprobs_num", 2},
                                      {"return_text_in_logprobs", true}})["meta_info"];
  const Json& first = meta["output_token_logprobs"][0];
  EXPECT_EQ(first[0], -0.1);
  EXPECT_EQ(first[1], api.tokenizer.encode("yes")[0]);
  EXPECT_TRUE(first[2].is_string());
  EXPECT_EQ(meta["output_top_logprobs"][0].size(), 2u);
}

// The script's log-probability of `id` where `token` was said.
Json asked_entry(TokenId token, TokenId id) { return Json::array({-(token + id), id, nullptr}); }

// Of `ids` at each of `tokens`.
Json asked_lists(const std::vector<TokenId>& tokens, const std::vector<TokenId>& ids) {
  Json lists = Json::array();
  for (const TokenId token : tokens) {
    Json list = Json::array();
    for (const TokenId id : ids) list.push_back(asked_entry(token, id));
    lists.push_back(std::move(list));
  }
  return lists;
}

// In the request's order, an id that is named twice twice; a prompt's first token has none.
TEST(GenerateTest, ReturnsLogprobsOfChosenIds) {
  ApiHarness api;
  api.say_ids({70, 71});
  Json body = {{"input_ids", {5, 6, 7}},
               {"return_logprob", true},
               {"token_ids_logprob", {9, 5, 9}},
               {"sampling_params", {{"max_new_tokens", 2}, {"n", 2}}}};
  for (const Json& answer : api.ask(kNative, body)) {
    const Json& meta = answer["meta_info"];
    EXPECT_EQ(meta["output_token_ids_logprobs"], asked_lists({70, 71}, {9, 5, 9}));
    EXPECT_EQ(meta["input_token_ids_logprobs"], Json::array());
    EXPECT_EQ(meta["output_token_logprobs"], Json::parse("[[-0.1,70,null],[-0.1,71,null]]"));
    EXPECT_FALSE(meta.contains("output_top_logprobs"));
  }
  body["logprob_start_len"] = 0;
  Json input = asked_lists({6, 7}, {9, 5, 9});
  input.insert(input.begin(), nullptr);
  for (const Json& answer : api.ask(kNative, body))
    EXPECT_EQ(answer["meta_info"]["input_token_ids_logprobs"], input);
  body["return_text_in_logprobs"] = true;
  const Json answers = api.ask(kNative, body);
  EXPECT_EQ(answers[0]["meta_info"]["output_token_ids_logprobs"][0][1][2],
            std::string(api.tokenizer.token_bytes(5)));
  body["return_logprob"] = false;
  EXPECT_FALSE(api.ask(kNative, body)[0]["meta_info"].contains("output_token_ids_logprobs"));
}

TEST(GenerateTest, ABatchHasChosenIdsForAllOrForEach) {
  ApiHarness api;
  api.say_ids({70});
  Json body = {{"input_ids", {{1, 2}, {3, 4}}},
               {"return_logprob", true},
               {"logprob_start_len", 0},
               {"token_ids_logprob", {9, 8}},
               {"sampling_params", {{"max_new_tokens", 1}}}};
  for (const Json& answer : api.ask(kNative, body))
    EXPECT_EQ(answer["meta_info"]["output_token_ids_logprobs"], asked_lists({70}, {9, 8}));
  body["token_ids_logprob"] = Json::parse("[null, [6]]");
  const Json answers = api.ask(kNative, body);
  EXPECT_FALSE(answers[0]["meta_info"].contains("output_token_ids_logprobs"));
  EXPECT_EQ(answers[1]["meta_info"]["output_token_ids_logprobs"], asked_lists({70}, {6}));
  EXPECT_EQ(answers[1]["meta_info"]["input_token_ids_logprobs"],
            Json::array({nullptr, {asked_entry(4, 6)}}));
}

TEST(GenerateTest, StreamsLogprobsOfChosenIds) {
  ApiHarness api;
  const std::vector<TokenId> said = {70, 71, 72, 73};
  api.say_ids(said);
  for (const bool incremental : {false, true}) {
    SCOPED_TRACE(incremental);
    const std::vector<std::string> events =
        api.stream(kNative, {{"input_ids", {5, 6}},
                             {"return_logprob", true},
                             {"logprob_start_len", 0},
                             {"token_ids_logprob", {9}},
                             {"incremental", incremental},
                             {"sampling_params", {{"max_new_tokens", 4}}}});
    Json output = Json::array();
    for (size_t i = 0; i + 1 < events.size(); ++i) {
      const Json event = Json::parse(events[i]);
      const Json& meta = event["meta_info"];
      const Json input = Json::array({nullptr, {asked_entry(6, 9)}});
      EXPECT_EQ(meta["input_token_ids_logprobs"], !incremental || i == 0 ? input : Json::array());
      const Json& more = meta["output_token_ids_logprobs"];
      EXPECT_EQ(more.size(), event["output_ids"].size());
      if (!incremental) output.clear();
      output.insert(output.end(), more.begin(), more.end());
    }
    EXPECT_EQ(output, asked_lists(said, {9}));
  }
}

TEST(GenerateTest, NoNewTokensOnlyFillTheCache) {
  ApiHarness api;
  const Json answer = api.ask(kNative, {{"text", "a prompt of more than one page"},
                                        {"sampling_params", {{"max_new_tokens", 0}}}});
  EXPECT_EQ(answer["meta_info"]["completion_tokens"], 0);
  EXPECT_EQ(answer["text"], "");
  EXPECT_GT(api.engine.stats().num_cached_tokens, 0);
}

// Of a prompt, each but the first token that is asked for has one, control tokens too.
TEST(GenerateTest, ReturnsLogprobsOfThePrompt) {
  ApiHarness api;
  const std::vector<TokenId> ids = {5, 6, tiny_token_id("<|user|>"), 7};
  const auto ask = [&](int start) {
    return api.ask(kNative, {{"input_ids", ids},
                             {"return_logprob", true},
                             {"logprob_start_len", start},
                             {"top_logprobs_num", 1},
                             {"sampling_params", {{"max_new_tokens", 0}, {"stop", "q"}}}});
  };
  const Json all = ask(0);
  const Json& meta = all["meta_info"];
  EXPECT_EQ(all["text"], "");
  EXPECT_EQ(all["output_ids"], Json::array());
  EXPECT_EQ(meta["prompt_tokens"], 4);
  EXPECT_EQ(meta["completion_tokens"], 0);
  EXPECT_EQ(meta["finish_reason"], Json::parse(R"({"type":"length","length":0})"));
  EXPECT_EQ(meta["input_token_logprobs"], Json::parse(cat("[[null,5,null],[-0.1,6,null],[-0.1,",
                                                          ids[2], ",null],[-0.1,7,null]]")));
  EXPECT_EQ(meta["output_token_logprobs"], Json::array());
  EXPECT_TRUE(meta["input_top_logprobs"][0].is_null());
  EXPECT_EQ(meta["input_top_logprobs"].size(), 4u);
  EXPECT_EQ(ask(2)["meta_info"]["input_token_logprobs"],
            Json::parse(cat("[[null,", ids[2], ",null],[-0.1,7,null]]")));
  EXPECT_EQ(ask(3)["meta_info"]["input_token_logprobs"], Json::parse("[[null,7,null]]"));
  EXPECT_EQ(ask(4)["meta_info"]["input_token_logprobs"], Json::array());
}

// The ids of input_token_logprobs.
std::vector<TokenId> scored_ids(const Json& meta) {
  std::vector<TokenId> ids;
  for (const Json& entry : meta["input_token_logprobs"]) ids.push_back(entry[1].get<TokenId>());
  return ids;
}

// Long prompts are scored in pieces, which come in whatever order.
TEST(GenerateTest, ScoresPromptsOfAnyLengthBesideEveryAnswer) {
  for (const size_t num_tokens : {1u, 2u, 256u, 257u, 258u, 700u}) {
    SCOPED_TRACE(cat(num_tokens, " tokens"));
    ApiHarness api;
    api.say("yes");
    std::vector<TokenId> ids;
    for (size_t i = 0; i < num_tokens; ++i) ids.push_back(static_cast<TokenId>(i * 7 % 200));
    const Json answers = api.ask(kNative, {{"input_ids", ids},
                                           {"return_logprob", true},
                                           {"logprob_start_len", 0},
                                           {"sampling_params", {{"n", 2}}}});
    ASSERT_EQ(answers.size(), 2u);
    for (const Json& answer : answers) {
      EXPECT_EQ(answer["text"], "yes");
      EXPECT_EQ(scored_ids(answer["meta_info"]), ids);
      EXPECT_EQ(answer["meta_info"]["prompt_tokens"], num_tokens);
      EXPECT_EQ(answer["meta_info"]["output_token_logprobs"].size(),
                answer["meta_info"]["completion_tokens"]);
    }
  }
}

TEST(GenerateTest, AStreamBeginsWithThePromptsLogprobs) {
  ApiHarness api;
  api.say("yes, it is so");
  const std::vector<TokenId> ids = {5, 6, 7, 8, 9, 10};
  for (const bool incremental : {false, true}) {
    SCOPED_TRACE(incremental);
    const std::vector<std::string> events = api.stream(kNative, {{"input_ids", ids},
                                                                 {"return_logprob", true},
                                                                 {"logprob_start_len", 1},
                                                                 {"incremental", incremental}});
    ASSERT_GT(events.size(), 2u);
    size_t num_output = 0;
    std::string text;
    for (size_t i = 0; i + 1 < events.size(); ++i) {
      const Json event = Json::parse(events[i]);
      const Json& meta = event["meta_info"];
      const size_t num_input = !incremental || i == 0 ? 5 : 0;
      EXPECT_EQ(meta["input_token_logprobs"].size(), num_input);
      EXPECT_EQ(meta["output_token_logprobs"].size(), event["output_ids"].size());
      if (!incremental) num_output = 0, text.clear();
      num_output += event["output_ids"].size();
      text += event["text"].get<std::string>();
    }
    EXPECT_EQ(text, "yes, it is so");
    EXPECT_EQ(num_output, api.tokenizer.encode("yes, it is so").size() + 1);  // the stop id
  }
}

TEST(GenerateTest, AStreamMayHaveSeveralTokensInAnEvent) {
  ApiHarness api;
  api.say_ids(std::vector<TokenId>(10, 70));
  std::vector<int> counts;
  for (const std::string& event :
       api.stream(kNative, {{"input_ids", {1}},
                            {"sampling_params", {{"max_new_tokens", 8}, {"stream_interval", 3}}}}))
    if (event != "[DONE]")
      counts.push_back(Json::parse(event)["meta_info"]["completion_tokens"].get<int>());
  EXPECT_EQ(counts, (std::vector<int>{1, 4, 7, 8}));
}

TEST(GenerateTest, StreamsOfSeveralAnswersSayWhichOne) {
  ApiHarness api;
  api.say("yes");
  std::vector<std::string> texts(4);
  for (const std::string& data :
       api.stream(kNative, {{"input_ids", {{1}, {2}}}, {"sampling_params", {{"n", 2}}}})) {
    if (data == "[DONE]") break;
    const Json event = Json::parse(data);
    texts.at(event["index"].get<size_t>()) = event["text"].get<std::string>();
  }
  EXPECT_EQ(texts, std::vector<std::string>(4, "yes"));
}

TEST(GenerateTest, FieldsOfABatchMayBeLists) {
  ApiHarness api;
  api.say("yes");
  const Json answers = api.ask(kNative, Json::parse(R"({"input_ids":[[1,2,3],[4,5]],"rid":"r",
    "return_logprob":[true,false],"logprob_start_len":[0,-1],"top_logprobs_num":[2,0],
    "extra_key":["a",null],"priority":[1,2],"bootstrap_host":[null,null],"bootstrap_room":null,
    "image_data":[null,null]})"));
  const Json &first = answers[0]["meta_info"], &second = answers[1]["meta_info"];
  EXPECT_EQ(first["id"], "r_0");
  EXPECT_EQ(second["id"], "r_1");
  EXPECT_EQ(scored_ids(first), (std::vector<TokenId>{1, 2, 3}));
  EXPECT_EQ(first["output_top_logprobs"][0].size(), 2u);
  EXPECT_FALSE(second.contains("output_token_logprobs"));
}

// vLLM's and transformers' 0 is SGLang's -1; Python's clients may write whole numbers as 3.0.
TEST(GenerateTest, NumbersMayBeWrittenInMoreWays) {
  ApiHarness api;
  api.say("yes");
  const Json answer = api.ask(kNative, Json::parse(R"({"input_ids":[1.0,2,3],
    "sampling_params":{"top_k":0,"sampling_seed":42.0,"max_new_tokens":8.0}})"));
  EXPECT_EQ(answer["meta_info"]["prompt_tokens"], 3);
}

// From <think>, be it the prompt's last word or the answer's own, through </think>.
TEST(GenerateTest, CountsReasoningTokens) {
  ApiHarness api;
  const TokenId think = tiny_token_id("<think>"), think_end = tiny_token_id("</think>");
  api.say_ids({70, 71, think_end, 72});
  const auto reasoning = [&](std::vector<TokenId> prompt) {
    return api.ask(kNative, {{"input_ids", prompt}})["meta_info"]["reasoning_tokens"].get<int>();
  };
  EXPECT_EQ(reasoning({1, think}), 3);
  EXPECT_EQ(reasoning({1, think, think_end}), 0);
  EXPECT_EQ(reasoning({1}), 0);
  api.say_ids({think, 70, think_end, 72});
  EXPECT_EQ(reasoning({1}), 2);
}

}  // namespace
}  // namespace glint
