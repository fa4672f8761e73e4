// docs/limits.md, "What a request may ask for": each at its limit, and one over.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/api_harness.h"

namespace glint {
namespace {

using testing::HasSubstr;

constexpr const char* kChat = "/v1/chat/completions";
constexpr const char* kText = "/v1/completions";
constexpr const char* kNative = "/generate";

struct Limit {
  const char* name;
  const char* path;
  Json at;    // a whole body, answered
  Json over;  // refused
  const char* param;
};

Json chat(const Json& more) {
  Json body = user_says("Hi");
  body.update(more);
  return body;
}
Json with(Json body, const Json& more) {
  body.update(more);
  return body;
}
Json text(const Json& more) {
  Json body = {{"prompt", "Hi"}};
  body.update(more);
  return body;
}
Json native(const Json& params, const Json& more = Json::object()) {
  Json body = {{"text", "Hi"}, {"sampling_params", params}};
  body.update(more);
  return body;
}
Json list(size_t count, const Json& value) { return Json(Json::array_t(count, value)); }
Json stops(size_t count) {
  Json stops = Json::array();
  while (stops.size() < count) stops.push_back(cat("stop ", stops.size()));
  return stops;
}
Json biases(int count) {
  Json biases = Json::object();
  // "1", "01", "001" … are keys of one id.
  for (int i = 0; i < count; ++i) biases[std::string(static_cast<size_t>(i), '0') + "1"] = 1;
  return biases;
}
std::string letters(size_t count) { return std::string(count, 'q'); }
std::string letter_class(size_t num_bytes) { return cat("[", letters(num_bytes - 2), "]"); }

// What one field may hold, in the same words for the endpoints that have it.
std::vector<Limit> field_limits() {
  const int last_id = tiny_config().vocab_size - 1;
  return {
      {"n", kChat, chat({{"n", 128}}), chat({{"n", 129}}), "n"},
      {"n_text", kText, text({{"n", 128}}), text({{"n", 129}}), "n"},
      {"n_native", kNative, native({{"n", 128}}), native({{"n", 129}}), "sampling_params.n"},
      {"n_below", kChat, chat({{"n", 1}}), chat({{"n", 0}}), "n"},
      {"stops", kChat, chat({{"stop", stops(128)}}), chat({{"stop", stops(129)}}), "stop"},
      {"stops_native", kNative, native({{"stop", stops(128)}}), native({{"stop", stops(129)}}),
       "sampling_params.stop"},
      {"stop_bytes", kText, text({{"stop", letters(1024)}}), text({{"stop", letters(1025)}}),
       "stop"},
      {"stop_regexes", kChat, chat({{"stop_regex", list(16, "q")}}),
       chat({{"stop_regex", list(17, "q")}}), "stop_regex"},
      {"stop_regexes_native", kNative, native({{"stop_regex", list(16, "q")}}),
       native({{"stop_regex", list(17, "q")}}), "sampling_params.stop_regex"},
      {"stop_regex_bytes", kText, text({{"stop_regex", letter_class(1024)}}),
       text({{"stop_regex", letter_class(1025)}}), "stop_regex"},
      {"stop_ids", kText, text({{"stop_token_ids", list(128, 1)}}),
       text({{"stop_token_ids", list(129, 1)}}), "stop_token_ids"},
      {"stop_id", kText, text({{"stop_token_ids", {0, last_id}}}),
       text({{"stop_token_ids", {last_id + 1}}}), "stop_token_ids"},
      {"biases", kText, text({{"logit_bias", biases(1024)}}), text({{"logit_bias", biases(1025)}}),
       "logit_bias"},
      {"bias_id", kText, text({{"logit_bias", {{std::to_string(last_id), 1}}}}),
       text({{"logit_bias", {{std::to_string(last_id + 1), 1}}}}), "logit_bias"},
      {"bias_high", kText, text({{"logit_bias", {{"1", 100}}}}),
       text({{"logit_bias", {{"1", 100.1}}}}), "logit_bias"},
      {"bias_low", kText, text({{"logit_bias", {{"1", -100}}}}),
       text({{"logit_bias", {{"1", -100.1}}}}), "logit_bias"},
      {"top_logprobs", kChat, chat({{"logprobs", true}, {"top_logprobs", 20}}),
       chat({{"logprobs", true}, {"top_logprobs", 21}}), "top_logprobs"},
      {"logprobs", kText, text({{"logprobs", 20}}), text({{"logprobs", 21}}), "logprobs"},
      {"top_logprobs_num", kNative,
       native({}, {{"return_logprob", true}, {"top_logprobs_num", 20}}),
       native({}, {{"return_logprob", true}, {"top_logprobs_num", 21}}), "top_logprobs_num"},
      {"token_ids_logprob", kNative,
       native({}, {{"return_logprob", true}, {"token_ids_logprob", list(128, 5)}}),
       native({}, {{"return_logprob", true}, {"token_ids_logprob", list(129, 5)}}),
       "token_ids_logprob"},
      {"token_ids_logprob_of_one", kNative,
       native({}, {{"text", {"a", "b"}}, {"token_ids_logprob", {nullptr, list(128, 5)}}}),
       native({}, {{"text", {"a", "b"}}, {"token_ids_logprob", {nullptr, list(129, 5)}}}),
       "token_ids_logprob[1]"},
      {"prompt_logprobs", kText, text({{"prompt_logprobs", 20}}), text({{"prompt_logprobs", 21}}),
       "prompt_logprobs"},
      {"prompt_logprobs_chat", kChat, chat({{"prompt_logprobs", 20}}),
       chat({{"prompt_logprobs", 21}}), "prompt_logprobs"},
      {"rid", kChat, chat({{"rid", letters(1024)}}), chat({{"rid", letters(1025)}}), "rid"},
      {"rid_native", kNative, native({}, {{"rid", letters(1024)}}),
       native({}, {{"rid", letters(1025)}}), "rid"},
      {"model", kText, text({{"model", letters(1024)}}), text({{"model", letters(1025)}}), "model"},
      {"temperature", kText, text({{"temperature", 0}}), text({{"temperature", -0.01}}),
       "temperature"},
      {"top_p_high", kText, text({{"top_p", 1}}), text({{"top_p", 1.01}}), "top_p"},
      {"top_p_low", kText, text({{"top_p", 0.001}}), text({{"top_p", 0}}), "top_p"},
      {"top_k_off", kText, text({{"top_k", -1}}), text({{"top_k", -2}}), "top_k"},
      {"min_p_high", kText, text({{"min_p", 1}}), text({{"min_p", 1.01}}), "min_p"},
      {"min_p_low", kText, text({{"min_p", 0}}), text({{"min_p", -0.01}}), "min_p"},
      {"frequency_high", kText, text({{"frequency_penalty", 2}}),
       text({{"frequency_penalty", 2.01}}), "frequency_penalty"},
      {"frequency_low", kText, text({{"frequency_penalty", -2}}),
       text({{"frequency_penalty", -2.01}}), "frequency_penalty"},
      {"presence_high", kText, text({{"presence_penalty", 2}}), text({{"presence_penalty", 2.01}}),
       "presence_penalty"},
      {"presence_low", kText, text({{"presence_penalty", -2}}), text({{"presence_penalty", -2.01}}),
       "presence_penalty"},
      {"repetition_high", kText, text({{"repetition_penalty", 2}}),
       text({{"repetition_penalty", 2.01}}), "repetition_penalty"},
      {"repetition_low", kText, text({{"repetition_penalty", 0.001}}),
       text({{"repetition_penalty", 0}}), "repetition_penalty"},
      {"min_tokens", kText, text({{"max_tokens", 3}, {"min_tokens", 3}}),
       text({{"max_tokens", 3}, {"min_tokens", 4}}), "min_tokens"},
      {"best_of", kText, text({{"best_of", 128}}), text({{"best_of", 129}}), "best_of"},
  };
}

// What the number of answers and the length of the context allow: 2,048 tokens here.
std::vector<Limit> size_limits() {
  const int last_id = tiny_config().vocab_size - 1;
  const Json one = Json::array({1});
  return {
      {"prompts", kText, text({{"prompt", list(1024, one)}, {"max_tokens", 1}}),
       text({{"prompt", list(1025, one)}}), "prompt"},
      {"texts", kText, text({{"prompt", list(1024, "a")}, {"max_tokens", 1}}),
       text({{"prompt", list(1025, "a")}}), "prompt"},
      {"input_ids",
       kNative,
       {{"input_ids", list(1024, one)}},
       {{"input_ids", list(1025, one)}},
       "input_ids"},
      {"answers", kText, text({{"prompt", list(8, one)}, {"n", 128}}),
       text({{"prompt", list(9, one)}, {"n", 128}}), "n"},
      {"answers_native",
       kNative,
       {{"input_ids", list(8, one)}, {"sampling_params", {{"n", 128}}}},
       {{"input_ids", list(9, one)}, {"sampling_params", {{"n", 128}}}},
       "sampling_params"},
      {"prompt_id", kText, text({{"prompt", {0, last_id}}}), text({{"prompt", {last_id + 1}}}),
       "prompt"},
      {"prompt_tokens", kText, text({{"prompt", list(2047, 1)}}), text({{"prompt", list(2048, 1)}}),
       "prompt"},
      {"prompt_text", kText, text({{"prompt", letters(2047)}}), text({{"prompt", letters(2048)}}),
       "prompt"},
      {"native_text", kNative, {{"text", letters(2047)}}, {{"text", letters(2048)}}, "text"},
      {"native_ids",
       kNative,
       {{"input_ids", list(2047, 1)}},
       {{"input_ids", list(2048, 1)}},
       "input_ids"},
      {"max_tokens", kText, text({{"prompt", one}, {"max_tokens", 2047}}),
       text({{"prompt", one}, {"max_tokens", 2048}}), "max_tokens"},
      {"max_completion_tokens", kText, text({{"prompt", one}, {"max_completion_tokens", 2047}}),
       text({{"prompt", one}, {"max_completion_tokens", 2048}}), "max_completion_tokens"},
      {"max_new_tokens",
       kNative,
       {{"input_ids", one}, {"sampling_params", {{"max_new_tokens", 2047}}}},
       {{"input_ids", one}, {"sampling_params", {{"max_new_tokens", 2048}}}},
       "sampling_params.max_new_tokens"},
  };
}

Json deep(int levels) {
  Json value = 0;
  for (int i = 0; i < levels; ++i) value = Json::array({value});
  return value;
}

void expect_answered_at_and_refused_over(ApiHarness& api, const Limit& limit) {
  SCOPED_TRACE(limit.name);
  const auto at = api.post(limit.path, limit.at);
  api.finish(*at);
  EXPECT_EQ(at->status, 200) << at->body.substr(0, 300);
  const int64_t requests_before = api.engine.stats().requests_total;
  const auto over = api.post(limit.path, limit.over);
  ASSERT_TRUE(over->complete) << "over the limit, but taken";
  EXPECT_EQ(over->status, 400) << over->body.substr(0, 300);
  EXPECT_EQ(Json::parse(over->body)["error"]["param"], limit.param) << over->body.substr(0, 300);
  while (api.engine.step()) {
  }
  EXPECT_EQ(api.engine.stats().requests_total, requests_before);
}

TEST(LimitsTest, AFieldIsTakenAtItsLimitAndRefusedOneOver) {
  ApiHarness api;
  api.say("x");
  for (const Limit& limit : field_limits()) expect_answered_at_and_refused_over(api, limit);
}

TEST(LimitsTest, ARequestIsTakenAtItsSizeAndRefusedOneOver) {
  ApiHarness api;
  api.say("x");
  for (const Limit& limit : size_limits()) expect_answered_at_and_refused_over(api, limit);
}

TEST(LimitsTest, JsonMayBeTwoHundredLevelsDeep) {
  ApiHarness api;
  api.say("x");
  const auto at = api.post(kText, text({{"ignored", deep(199)}}));  // the body is the 200th
  api.finish(*at);
  EXPECT_EQ(at->status, 200) << at->body;
  const auto over = api.post(kText, text({{"ignored", deep(200)}}));
  EXPECT_EQ(over->status, 400);
  EXPECT_THAT(over->body, HasSubstr("nested deeper than 200 levels"));
}

// The pool here holds 64 tokens, the context 2,048: the refusal has the request's own field.
TEST(LimitsTest, WhatThePoolCannotHoldIsRefusedByTheFieldsName) {
  SchedulerLimits small = ApiHarness::default_limits();
  small.num_pages = 16;
  ApiHarness api(small);
  api.say("x");
  const std::vector<Limit> limits = {
      {"ids", kText, text({{"prompt", list(63, 1)}}), text({{"prompt", list(64, 1)}}), "prompt"},
      {"native", kNative, {{"text", letters(63)}}, {{"text", letters(64)}}, "text"},
      {"max_tokens", kText, text({{"prompt", list(60, 1)}, {"max_tokens", 4}}),
       text({{"prompt", list(60, 1)}, {"max_tokens", 5}}), "max_tokens"},
      {"max_new_tokens",
       kNative,
       {{"input_ids", list(60, 1)}, {"sampling_params", {{"max_new_tokens", 4}}}},
       {{"input_ids", list(60, 1)}, {"sampling_params", {{"max_new_tokens", 5}}}},
       "sampling_params.max_new_tokens"},
      {"chat", kChat, user_says("Hi"), user_says(letters(64)), "messages"},
  };
  for (const Limit& limit : limits) expect_answered_at_and_refused_over(api, limit);
}

// OpenAI's code for it, by which its clients' callers tell it from other refusals.
TEST(LimitsTest, WhatTheContextCannotHoldHasACodeOfItsOwn) {
  ApiHarness api;
  Json long_answer = user_says("Hi");
  long_answer["max_tokens"] = 2048;
  for (const Json& body : {user_says(letters(2048)), user_says(letters(5000)), long_answer}) {
    const Json error = Json::parse(api.post(kChat, body)->body);
    EXPECT_EQ(error["error"]["code"], "context_length_exceeded");
    EXPECT_EQ(error["code"], 400);
  }
  Json wrong = user_says("Hi");
  wrong["top_p"] = 2;
  EXPECT_EQ(Json::parse(api.post(kChat, wrong)->body)["error"]["code"], 400);
}

// Counted exactly up to twice the context; beyond, no more of it is read than shows that.
TEST(LimitsTest, ATextFarOverTheContextIsNotCountedToItsEnd) {
  ApiHarness api;
  for (const auto& [size, found] : std::vector<std::pair<size_t, std::string>>{
           {2048, "The input (2048 tokens)"},
           {4096, "The input (4096 tokens)"},
           {4097, "The input (more than 4096 tokens)"},
           {8 << 20, "The input (more than 4096 tokens)"}}) {
    const auto exchange = api.post(kText, {{"prompt", letters(size)}});
    EXPECT_EQ(exchange->status, 400);
    EXPECT_EQ(Json::parse(exchange->body)["error"]["message"],
              found + " is longer than the model's context length (2048 tokens). Shorten it.");
  }
  const auto chat = api.post(kChat, user_says(letters(1 << 20)));
  EXPECT_THAT(chat->body, HasSubstr("(more than 4096 tokens)"));
}

TEST(LimitsTest, TheQueueTakesAsManyAsItMay) {
  SchedulerLimits limits = ApiHarness::default_limits();
  limits.max_queued_requests = 2;
  ApiHarness api(limits);
  api.say("x");
  const auto at = api.post(kText, text({{"n", 2}}));
  api.finish(*at);
  EXPECT_EQ(at->status, 200);
  const auto over = api.post(kText, text({{"n", 3}}));
  EXPECT_EQ(over->status, 503);
  EXPECT_THAT(over->body, HasSubstr("--max-queued-requests"));
}

// A prompt of 257 tokens has one sequence for its answer and one for its scores.
TEST(LimitsTest, SequencesThatScorePromptsCountAsAnswers) {
  ApiHarness api;
  const auto score = [&](size_t num_prompts) {
    return api.post(kNative, {{"input_ids", list(num_prompts, list(257, 5))},
                              {"return_logprob", true},
                              {"logprob_start_len", 0},
                              {"sampling_params", {{"max_new_tokens", 0}}}});
  };
  EXPECT_FALSE(score(512)->complete);  // it runs
  const auto over = score(513);
  EXPECT_EQ(over->status, 400);
  EXPECT_THAT(over->body, HasSubstr("count as 513 answers more, one for every 256."));
  EXPECT_EQ(Json::parse(over->body)["param"], "logprob_start_len");
}

TEST(LimitsTest, SequencesThatScoreACompletionsPromptsCountAsAnswers) {
  ApiHarness api;
  const auto score = [&](size_t num_prompts, const Json& more) {
    return api.post(kText, text(with({{"prompt", list(num_prompts, list(257, 5))}}, more)));
  };
  const Json echo = {{"echo", true}, {"logprobs", 0}};
  EXPECT_FALSE(score(512, echo)->complete);
  const auto over = score(513, echo);
  EXPECT_EQ(over->status, 400);
  EXPECT_THAT(over->body, HasSubstr("count as 513 answers more"));
  EXPECT_EQ(Json::parse(over->body)["param"], "echo");
  EXPECT_EQ(Json::parse(score(513, {{"prompt_logprobs", 0}})->body)["param"], "prompt_logprobs");
  EXPECT_FALSE(score(513, {{"echo", true}})->complete) << "no log-probabilities";
}

SchedulerLimits long_limits() {
  SchedulerLimits limits = ApiHarness::default_limits();
  limits.context_length = 256 * 1024;
  limits.num_pages = 256 * 1024;
  return limits;
}

// 2^23 of them: 2^16 tokens, of each its own and 127 more.
TEST(LimitsTest, OfAPromptsLogprobsInAllAnswers) {
  ApiHarness api(long_limits());
  const auto native_score = [&](size_t num_tokens, int n) {
    return api.post(kNative, {{"input_ids", list(num_tokens, 5)},
                              {"return_logprob", true},
                              {"logprob_start_len", 0},
                              {"top_logprobs_num", 20},
                              {"token_ids_logprob", list(107, 6)},
                              {"sampling_params", {{"max_new_tokens", 0}, {"n", n}}}});
  };
  EXPECT_FALSE(native_score(1 << 16, 1)->complete);
  EXPECT_FALSE(native_score(1 << 15, 2)->complete);
  const auto over = native_score((1 << 16) + 1, 1);
  EXPECT_EQ(over->status, 400);
  EXPECT_THAT(over->body, HasSubstr("asks for 8388736 log-probabilities"));
  EXPECT_EQ(Json::parse(over->body)["param"], "logprob_start_len");
  EXPECT_EQ(native_score(1 << 15, 3)->status, 400);
  const auto score = [&](int n) {
    return api.post(kText, {{"prompt", list(1 << 16, 5)}, {"prompt_logprobs", 15}, {"n", n}});
  };
  EXPECT_FALSE(score(8)->complete);
  EXPECT_EQ(Json::parse(score(9)->body)["param"], "prompt_logprobs");
}

// 901 pieces of 256 tokens and 123 answers, or one more.
TEST(LimitsTest, SequencesThatScoreAChatsPromptCountAsAnswers) {
  ApiHarness api(long_limits());
  const Json ids = list(900 * 256 + 2, 5);
  const auto score = [&](int n) {
    return api.post(kChat,
                    {{"input_ids", ids}, {"prompt_logprobs", 0}, {"n", n}, {"max_tokens", 1}});
  };
  EXPECT_FALSE(score(123)->complete);
  const auto over = score(124);
  EXPECT_EQ(over->status, 400);
  EXPECT_THAT(over->body, HasSubstr("count as 901 answers more"));
  EXPECT_EQ(Json::parse(over->body)["param"], "prompt_logprobs");
}

}  // namespace
}  // namespace glint
