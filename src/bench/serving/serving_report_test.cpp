#include "bench/serving/serving_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace glint {
namespace {

using testing::HasSubstr;
using testing::Not;

ServingReport report() {
  ServingReport r;
  r.options.format.backend = find_serving_backend("sglang");
  r.options.dataset.num_prompts = 10;
  r.options.dataset.random_input_len = r.options.dataset.random_output_len = 1000;
  r.options.max_concurrency = 1;
  r.metrics = {.duration_s = 38.9412,
               .completed = 10,
               .total_input = 6101,
               .total_output = 4220,
               .total_output_retokenized = 4219,
               .request_throughput = 0.257,
               .input_throughput = 156.67,
               .output_throughput = 108.37,
               .total_throughput = 265.03,
               .e2e = {3891.12, 3061.48, 1, 7172.25, 2, 9042.62, 3},
               .ttft = {131.36, 94.55, 1, 2, 3, 435.93, 4},
               .tpot = {8.75, 8.82, 1, 2, 3, 9.39, 4},
               .itl = {8.93, 8.98, 1, 2, 9.83, 10.2, 18.5},
               .concurrency = 1,
               .max_output_tokens_per_s = 125,
               .max_concurrent_requests = 2};
  r.cost = {.num_events = 4230, .cpu_s = 3.9, .mean_late_ms = 0.06, .max_late_ms = 1.5};
  return r;
}

// Labels, order, widths and trailing blanks are those of SGLang 0.5.7; the figures are the
// benchmark page's chat cell.
TEST(ServingReportTest, TheTableIsSglangsLetterForLetter) {
  EXPECT_EQ(serving_table(report()), R"(
============ Serving Benchmark Result ============
Backend:                                 sglang    
Traffic request rate:                    inf       
Max request concurrency:                 1         
Successful requests:                     10        
Benchmark duration (s):                  38.94     
Total input tokens:                      6101      
Total input text tokens:                 6101      
Total generated tokens:                  4220      
Total generated tokens (retokenized):    4219      
Request throughput (req/s):              0.26      
Input token throughput (tok/s):          156.67    
Output token throughput (tok/s):         108.37    
Peak output token throughput (tok/s):    125.00    
Peak concurrent requests:                2         
Total token throughput (tok/s):          265.03    
Concurrency:                             1.00      
----------------End-to-End Latency----------------
Mean E2E Latency (ms):                   3891.12   
Median E2E Latency (ms):                 3061.48   
P90 E2E Latency (ms):                    7172.25   
P99 E2E Latency (ms):                    9042.62   
---------------Time to First Token----------------
Mean TTFT (ms):                          131.36    
Median TTFT (ms):                        94.55     
P99 TTFT (ms):                           435.93    
-----Time per Output Token (excl. 1st token)------
Mean TPOT (ms):                          8.75      
Median TPOT (ms):                        8.82      
P99 TPOT (ms):                           9.39      
---------------Inter-Token Latency----------------
Mean ITL (ms):                           8.93      
Median ITL (ms):                         8.98      
P95 ITL (ms):                            9.83      
P99 ITL (ms):                            10.20     
Max ITL (ms):                            18.50     
==================================================
)");
}

TEST(ServingReportTest, RatesAndLimitsAreWrittenAsPythonDoes) {
  ServingReport r = report();
  r.options.request_rate = 20;
  r.options.max_concurrency = 0;
  r.metrics.accept_length = 2.5;
  r.metrics.total_output_retokenized.reset();
  const std::string table = serving_table(r);
  EXPECT_THAT(table, HasSubstr("\nTraffic request rate:                    20.0      \n"));
  EXPECT_THAT(table, HasSubstr("\nMax request concurrency:                 not set   \n"));
  EXPECT_THAT(table, HasSubstr("\nTotal generated tokens (retokenized):    n/a       \n"));
  EXPECT_THAT(table, HasSubstr("\nConcurrency:                             1.00      \n"
                               "Accept length:                           2.50      \n---"));
}

TEST(ServingReportTest, TheFooterSaysWhatTheTableDoesNot) {
  ServingReport r = report();
  r.records = {{.prompt_len = 6101, .cached_tokens = 610}, {.error = "status 503: full"}};
  r.server_counts =
      ServerCounts{.decode = {.steps = 4000, .seconds = 36, .decode_rows = 4000},
                   .prompt = {.steps = 10, .seconds = 2, .decode_rows = 5, .prompt_tokens = 5491}};
  r.notes = {"prompts: random ids"};
  EXPECT_EQ(serving_footer(r),
            "client: 10 % of one core, 922.0 us for each of 4230 events; its timers woke 0.06 ms "
            "late on average, 1.5 ms at most\n"
            "server: 4000 steps that only decode, 9.00 ms each (92 % of the time), 1.0 rows "
            "decoded\n"
            "        10 steps with parts of prompts, 200 ms each (5 % of the time), 0.5 rows "
            "decoded and 549 prompt tokens\n"
            "prefix cache: held 10 % of the prompts' tokens\n"
            "prompts: random ids\n"
            "failed: 1 of 2 requests; the first: status 503: full\n");
}

// A text may come out as more tokens than were asked, and all of them may be held.
TEST(ServingReportTest, CachedTokensAreAShareOfTheServersOwnCount) {
  ServingReport r = report();
  r.records = {{.prompt_len = 100, .server_prompt_len = 110, .cached_tokens = 108},
               {.prompt_len = 90, .cached_tokens = 0}};
  EXPECT_THAT(serving_footer(r), HasSubstr("prefix cache: held 54 % of the prompts' tokens\n"));
}

TEST(ServingReportTest, TheCacheReportIsThatOfNewerSglang) {
  ServingReport r = report();
  r.records = {{.prompt_len = 100, .server_prompt_len = 110, .cached_tokens = 108},
               {.prompt_len = 90}};
  EXPECT_THAT(serving_table(r), Not(HasSubstr("Cache")));
  EXPECT_FALSE(serving_result(r, true).contains("cache_report"));
  r.options.cache_report = true;
  EXPECT_THAT(serving_table(r), testing::EndsWith(R"(
----------------Cache Hit Details-----------------
Total prompt tokens:                     200       
Total cached tokens:                     108       
Cache hit rate:                          54.0%
==================================================
)"));
  const Json result = serving_result(r, true);
  EXPECT_EQ(result["cache_report"]["cache_hit_rate_pct"], 54);
  EXPECT_EQ(result["cache_report"]["device_cached_tokens"], nullptr);
  EXPECT_EQ(result["cached_tokens"], (Json{108, 0}));
}

TEST(ServingReportTest, OneStepIsSingularAndTimesAreWrittenOut) {
  ServingReport r = report();
  r.records = {{.error = "full"}};
  r.server_counts = ServerCounts{.decode = {.steps = 2, .seconds = 2.54, .decode_rows = 2},
                                 .prompt = {.steps = 1, .seconds = 0.0123, .prompt_tokens = 5}};
  const std::string footer = serving_footer(r);
  EXPECT_THAT(footer, HasSubstr("server: 2 steps that only decode, 1270 ms each (7 % of"));
  EXPECT_THAT(footer, HasSubstr("\n        1 step with parts of prompts, 12.3 ms (0 % of"));
  EXPECT_THAT(footer, HasSubstr("failed: 1 of 1 request; the first: full\n"));
}

TEST(ServingReportTest, ShortAnswersAreNamedUnlessTheyMayEnd) {
  ServingReport r = report();
  r.records = {{.asked_len = 5, .output_len = 4}, {.asked_len = 5, .output_len = 5}};
  EXPECT_THAT(serving_footer(r), HasSubstr("short: 1 answer has fewer tokens"));
  r.options.format.ignore_eos = false;
  EXPECT_THAT(serving_footer(r), Not(HasSubstr("short")));
}

TEST(ServingReportTest, ThroughputIsDrawnInABarForEachSecond) {
  ServingMetrics metrics;
  metrics.tokens_per_second = {30, 60, 0};
  EXPECT_EQ(throughput_bars(metrics),
            "Output tokens per second\n"
            "      0 s |####################                    | 30\n"
            "      1 s |########################################| 60\n"
            "      2 s |                                        | 0\n");
  metrics.tokens_per_second.assign(100, 7);
  EXPECT_THAT(throughput_bars(metrics), HasSubstr("     96 s |####"));
  EXPECT_EQ(throughput_bars({}), "");
}

TEST(ServingReportTest, ABusyClientIsNamed) {
  ServingReport r = report();
  EXPECT_THAT(serving_footer(r), Not(HasSubstr("may have been")));
  r.cost.cpu_s = 35;
  EXPECT_THAT(serving_footer(r), HasSubstr("It may have been the limit"));
}

TEST(ServingReportTest, TheResultHasSglangsKeysInItsOrder) {
  const Json result = serving_result(report(), false);
  std::vector<std::string> keys;
  for (const auto& [key, value] : result.items()) keys.push_back(key);
  EXPECT_EQ(keys, (std::vector<std::string>{"tag",
                                            "backend",
                                            "dataset_name",
                                            "request_rate",
                                            "max_concurrency",
                                            "sharegpt_output_len",
                                            "random_input_len",
                                            "random_output_len",
                                            "random_range_ratio",
                                            "server_info",
                                            "duration",
                                            "completed",
                                            "total_input_tokens",
                                            "total_input_text_tokens",
                                            "total_input_vision_tokens",
                                            "total_output_tokens",
                                            "total_output_tokens_retokenized",
                                            "request_throughput",
                                            "input_throughput",
                                            "output_throughput",
                                            "total_throughput",
                                            "mean_e2e_latency_ms",
                                            "median_e2e_latency_ms",
                                            "std_e2e_latency_ms",
                                            "p90_e2e_latency_ms",
                                            "p99_e2e_latency_ms",
                                            "mean_ttft_ms",
                                            "median_ttft_ms",
                                            "std_ttft_ms",
                                            "p99_ttft_ms",
                                            "mean_tpot_ms",
                                            "median_tpot_ms",
                                            "std_tpot_ms",
                                            "p99_tpot_ms",
                                            "mean_itl_ms",
                                            "median_itl_ms",
                                            "std_itl_ms",
                                            "p95_itl_ms",
                                            "p99_itl_ms",
                                            "max_itl_ms",
                                            "concurrency",
                                            "accept_length",
                                            "max_output_tokens_per_s",
                                            "max_concurrent_requests"}));
  EXPECT_EQ(result["p99_ttft_ms"], 435.93);
  EXPECT_EQ(result["tag"], nullptr);
  EXPECT_THAT(to_python_json(result), HasSubstr(R"("request_rate": Infinity, )"));
}

TEST(ServingReportTest, DetailsHaveAValueForEachRequest) {
  ServingReport r = report();
  r.records = {{.prompt_len = 3,
                .start_s = 10,
                .end_s = 12,
                .token_times = {{10.5, 1}, {11.5, 3}},
                .output_len = 3,
                .text = "abc"},
               {.prompt_len = 4, .error = "gone"}};
  const Json result = serving_result(r, true);
  EXPECT_EQ(result["input_lens"], Json({3, 4}));
  EXPECT_EQ(result["output_lens"], Json({3, 0}));
  EXPECT_EQ(result["ttfts"], Json({0.5, 0.0}));
  EXPECT_EQ(result["itls"], Json({{0.5, 0.5}, Json::array()}));
  EXPECT_EQ(result["generated_texts"], Json({"abc", ""}));
  EXPECT_EQ(result["errors"], Json({"", "gone"}));
}

TEST(ServingReportTest, TheResultFileHasSglangsName) {
  EXPECT_THAT(default_result_file(report().options),
              testing::MatchesRegex("sglang_[0-9]{4}_10_1000_1000\\.jsonl"));
  EXPECT_THAT(default_result_file(report().options, "page"),
              testing::MatchesRegex("sglang_[0-9]{4}_page\\.jsonl"));
}

}  // namespace
}  // namespace glint
