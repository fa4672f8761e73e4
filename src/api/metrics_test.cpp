// /metrics: what it says is what the clients saw.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "api/api_harness.h"
#include "api/operator/exposition.h"

namespace glint {
namespace {

using testing::HasSubstr;

constexpr char kText[] = "/v1/completions";

// The value of the series of that name, of the one with `label` if it has several.
double value_of(ApiHarness& api, const std::string& name, const std::string& label = "") {
  std::istringstream lines(api.send("GET", "/metrics", "")->body);
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with(name + "{") && line.find(label) != line.npos)
      return std::stod(line.substr(line.rfind(' ')));
  ADD_FAILURE() << "no " << name << " with " << label;
  return -1;
}

double ended(ApiHarness& api, const std::string& reason) {
  return value_of(api, "vllm:request_success_total", "finished_reason=\"" + reason + "\"");
}

TEST(ExpositionTest, LabelsAreEscaped) {
  EXPECT_EQ(escaped_label("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
  ApiHarness api;
  api.context.options.served_model_name = "the \"model\"";
  EXPECT_THAT(
      api.send("GET", "/metrics", "")->body,
      HasSubstr("vllm:num_requests_running{model_name=\"the \\\"model\\\"\",engine=\"0\"} 0\n"));
}

TEST(ExpositionTest, HistogramsAreCumulative) {
  static constexpr double kBounds[] = {0.0025, 1, 200000};
  Histogram histogram(kBounds);
  for (const double value : {0.001, 0.5, 0.5, 300000.0}) histogram.observe(value);
  std::string out;
  Exposition(out, "x:", "m=\"1\"").buckets("h", histogram.read(), ",stage=\"a\"");
  EXPECT_EQ(out,
            "x:h_bucket{m=\"1\",stage=\"a\",le=\"0.0025\"} 1\n"
            "x:h_bucket{m=\"1\",stage=\"a\",le=\"1.0\"} 3\n"
            "x:h_bucket{m=\"1\",stage=\"a\",le=\"200000.0\"} 3\n"
            "x:h_bucket{m=\"1\",stage=\"a\",le=\"+Inf\"} 4\n"
            "x:h_sum{m=\"1\",stage=\"a\"} 300001.001\n"
            "x:h_count{m=\"1\",stage=\"a\"} 4\n");
}

TEST(MetricsTest, BothFamiliesHaveHelpAndType) {
  ApiHarness api;
  const std::string text = api.send("GET", "/metrics/", "")->body;
  for (const char* line :
       {"# HELP sglang:num_running_reqs ", "# TYPE sglang:num_running_reqs gauge\n",
        "sglang:num_running_reqs{model_name=\"glint-tiny\",engine_type=\"unified\",tp_rank=\"0\","
        "pp_rank=\"0\",dp_rank=\"0\"} 0\n",
        "# TYPE vllm:num_requests_running gauge\n"})
    EXPECT_THAT(text, HasSubstr(line));
}

TEST(MetricsTest, CountsAreThoseOfTheAnswersUsage) {
  ApiHarness api;
  api.say("one two three");
  const Json first = api.ask(kText, {{"prompt", "say it"}, {"max_tokens", 100}})["usage"];
  const Json second = api.ask(kText, {{"prompt", "say it"}, {"max_tokens", 2}})["usage"];
  const int output = first["completion_tokens"].get<int>() + second["completion_tokens"].get<int>();
  const int prompt = first["prompt_tokens"].get<int>() + second["prompt_tokens"].get<int>();
  EXPECT_EQ(value_of(api, "sglang:generation_tokens_total"), output);
  EXPECT_EQ(value_of(api, "vllm:generation_tokens_total"), output);
  EXPECT_EQ(value_of(api, "sglang:prompt_tokens_total"), prompt);
  EXPECT_EQ(value_of(api, "vllm:request_prompt_tokens_sum"), prompt);
  EXPECT_EQ(value_of(api, "sglang:generation_tokens_histogram_sum"), output);
  EXPECT_EQ(value_of(api, "sglang:cached_tokens_total"),
            second["prompt_tokens_details"]["cached_tokens"].get<int>());
  EXPECT_EQ(value_of(api, "vllm:request_params_max_tokens_sum"), 102);
  EXPECT_EQ(value_of(api, "sglang:time_to_first_token_seconds_count"), 2);
  EXPECT_EQ(value_of(api, "sglang:inter_token_latency_seconds_count"), output - 2);
  EXPECT_EQ(value_of(api, "sglang:queue_time_seconds_count"), 2);
  EXPECT_EQ(value_of(api, "sglang:num_requests_total"), 2);
  EXPECT_EQ(ended(api, "stop"), 1);
  EXPECT_EQ(ended(api, "length"), 1);
}

// The engine computes one token more, and is told to stop: nobody broke anything off.
TEST(MetricsTest, AStopStringIsNoAbort) {
  ApiHarness api;
  api.say("one two three four five");
  const Json usage =
      api.ask(kText, {{"prompt", "say"}, {"stop", "two"}, {"max_tokens", 100}})["usage"];
  while (api.engine.step()) {
  }
  EXPECT_EQ(ended(api, "stop"), 1);
  EXPECT_EQ(ended(api, "abort"), 0);
  EXPECT_EQ(value_of(api, "sglang:num_aborted_requests_total"), 0);
  EXPECT_EQ(value_of(api, "sglang:generation_tokens_total"), usage["completion_tokens"]);
}

TEST(MetricsTest, ChoicesAreRequestsAndShareOnePrompt) {
  ApiHarness api;
  api.say("one two");
  api.ask(kText, {{"prompt", {"a", "b"}}, {"n", 3}, {"max_tokens", 2}});
  EXPECT_EQ(value_of(api, "sglang:num_requests_total"), 6);
  EXPECT_EQ(value_of(api, "vllm:request_params_n_count"), 2);
  EXPECT_EQ(value_of(api, "vllm:request_params_n_sum"), 6);
  EXPECT_EQ(value_of(api, "vllm:request_max_num_generation_tokens_sum"), 4);
  EXPECT_EQ(value_of(api, "vllm:request_generation_tokens_sum"), 12);
}

TEST(MetricsTest, ScoringAPromptIsNoRequest) {
  ApiHarness api;
  api.say("one two");
  const Json meta =
      api.ask("/generate", {{"text", "a prompt to score"},
                            {"return_logprob", true},
                            {"logprob_start_len", 0},
                            {"sampling_params", {{"max_new_tokens", 2}}}})["meta_info"];
  ASSERT_GT(meta["input_token_logprobs"].size(), 1u);
  EXPECT_EQ(value_of(api, "sglang:num_requests_total"), 1);
  EXPECT_EQ(value_of(api, "sglang:generation_tokens_total"), 2);
  EXPECT_EQ(value_of(api, "sglang:prompt_tokens_total"), meta["prompt_tokens"]);
}

TEST(MetricsTest, NorIsThatOfAnEchoedPrompt) {
  ApiHarness api;
  api.say("one two");
  const Json answer = api.ask(
      kText, {{"prompt", "a prompt to score"}, {"echo", true}, {"logprobs", 0}, {"max_tokens", 2}});
  ASSERT_GT(answer["choices"][0]["logprobs"]["token_logprobs"].size(), 3u);
  EXPECT_EQ(value_of(api, "sglang:num_requests_total"), 1);
  EXPECT_EQ(value_of(api, "sglang:generation_tokens_total"), 2);
  EXPECT_EQ(value_of(api, "sglang:prompt_tokens_total"), answer["usage"]["prompt_tokens"]);
}

TEST(MetricsTest, AClientThatLeavesAborts) {
  ApiHarness api;
  api.say(std::string(200, 'q'));
  const auto exchange =
      api.post(kText, {{"prompt", "say"}, {"stream", true}, {"n", 2}, {"max_tokens", 100}});
  for (int i = 0; i < 5; ++i) api.engine.step();
  exchange->run_posted();
  exchange->disconnect();
  while (api.engine.step()) {
  }
  exchange->run_posted();
  EXPECT_EQ(ended(api, "abort"), 2);
  EXPECT_EQ(value_of(api, "sglang:num_aborted_requests_total"), 2);
  EXPECT_EQ(value_of(api, "sglang:e2e_request_latency_seconds_count"), 0);
  EXPECT_EQ(value_of(api, "vllm:request_params_n_count"), 0);
  EXPECT_GT(value_of(api, "sglang:generation_tokens_total"), 0);
}

TEST(MetricsTest, WhatWasRefusedIsNoRequest) {
  SchedulerLimits limits = ApiHarness::default_limits();
  limits.max_queued_requests = 1;
  ApiHarness api(limits);
  EXPECT_EQ(api.post(kText, {{"prompt", "say"}, {"n", 2}})->status, 503);
  while (api.engine.step()) {
  }
  EXPECT_EQ(value_of(api, "sglang:num_requests_total"), 0);
  EXPECT_EQ(value_of(api, "sglang:prompt_tokens_total"), 0);
}

TEST(MetricsTest, TimesAddUp) {
  ApiHarness api;
  api.say("one two three");
  api.ask(kText, {{"prompt", "say"}, {"max_tokens", 3}});
  double staged = 0;
  for (const char* stage : {"tokenize", "prefill_waiting", "prefill_forward", "decode_forward"})
    staged += value_of(api, "sglang:per_stage_req_latency_seconds_sum",
                       std::string("stage=\"") + stage + "\"");
  const double whole = value_of(api, "sglang:e2e_request_latency_seconds_sum");
  EXPECT_GT(staged, 0);
  EXPECT_LE(staged, whole + 5e-6) << "each is rounded to a microsecond";
  EXPECT_LE(value_of(api, "sglang:time_to_first_token_seconds_sum"), whole);
  EXPECT_NEAR(value_of(api, "vllm:request_inference_time_seconds_sum"),
              value_of(api, "vllm:request_prefill_time_seconds_sum") +
                  value_of(api, "vllm:request_decode_time_seconds_sum"),
              3e-6);
}

}  // namespace
}  // namespace glint
