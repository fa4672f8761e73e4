#include "bench/serving/serving_metrics.h"

#include <gtest/gtest.h>

namespace glint {
namespace {

// numpy 2.4: x = [3, 1, 4, 1, 5, 9, 2, 6]; mean, median, std, percentile(90, 95, 99), max.
TEST(ServingMetricsTest, SpreadsAreNumpys) {
  const Spread spread = spread_ms({.003, .001, .004, .001, .005, .009, .002, .006});
  EXPECT_DOUBLE_EQ(spread.mean, 3.875);
  EXPECT_DOUBLE_EQ(spread.median, 3.5);
  EXPECT_DOUBLE_EQ(spread.std, 2.5708704751503917);
  EXPECT_DOUBLE_EQ(spread.p90, 6.9);
  EXPECT_DOUBLE_EQ(spread.p95, 7.95);
  EXPECT_DOUBLE_EQ(spread.p99, 8.79);
  EXPECT_DOUBLE_EQ(spread.max, 9);
  EXPECT_EQ(spread_ms({}).p99, 0);
}

RequestRecord answered(double start_s, std::vector<TokenTime> times, double end_s) {
  const int output_len = times.back().num_tokens;
  return {.prompt_len = 100,
          .start_s = start_s,
          .end_s = end_s,
          .token_times = std::move(times),
          .output_len = output_len};
}

TEST(ServingMetricsTest, OfTwoRequestsAndAFailedOne) {
  const std::vector<RequestRecord> records = {
      answered(50.0, {{50.5, 1}, {51.5, 2}, {52.5, 4}}, 52.5),
      {.prompt_len = 7, .start_s = 50, .end_s = 99, .error = "status 500"},
      answered(51.0, {{51.25, 1}}, 51.25)};
  const ServingMetrics metrics = serving_metrics(records, /*duration_s=*/4);
  EXPECT_EQ(metrics.completed, 2);
  EXPECT_EQ(metrics.total_input, 200);
  EXPECT_EQ(metrics.total_output, 5);
  EXPECT_EQ(metrics.request_throughput, 0.5);
  EXPECT_EQ(metrics.input_throughput, 50);
  EXPECT_EQ(metrics.output_throughput, 1.25);
  EXPECT_EQ(metrics.total_throughput, 51.25);
  EXPECT_EQ(metrics.concurrency, 2.75 / 4);
  EXPECT_DOUBLE_EQ(metrics.ttft.mean, 375);
  EXPECT_DOUBLE_EQ(metrics.tpot.mean, 2000. / 3);  // of the one with more than one token
  EXPECT_DOUBLE_EQ(metrics.itl.mean, 2000. / 3);   // 1, 0.5, 0.5
  EXPECT_DOUBLE_EQ(metrics.e2e.max, 2500);
}

// Second 0: the first token. Second 1: the other request's, one at 51.5. Second 2: at 52 and 52.5.
TEST(ServingMetricsTest, PeaksAreOfTheBestSecond) {
  const std::vector<RequestRecord> records = {
      answered(50.0, {{50.5, 1}, {51.5, 2}, {52.5, 4}}, 52.5), answered(51.0, {{51.25, 1}}, 51.25)};
  const ServingMetrics metrics = serving_metrics(records, 4);
  EXPECT_EQ(metrics.tokens_per_second, (std::vector<int64_t>{1, 2, 2, 0}));
  EXPECT_EQ(metrics.max_output_tokens_per_s, 2);
  EXPECT_EQ(metrics.max_concurrent_requests, 2);
}

TEST(ServingMetricsTest, WhenAllFailedAllIsZero) {
  const std::vector<RequestRecord> records = {{.error = "gone"}};
  const ServingMetrics metrics = serving_metrics(records, 1);
  EXPECT_EQ(metrics.completed, 0);
  EXPECT_EQ(metrics.itl.p99, 0);
  EXPECT_EQ(metrics.max_concurrent_requests, 0);
}

}  // namespace
}  // namespace glint
