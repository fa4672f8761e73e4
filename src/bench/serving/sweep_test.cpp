#include "bench/serving/sweep.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace glint {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

LatencyGoal goal(const std::vector<std::string>& typed) {
  const auto parsed = parse_goal(typed);
  EXPECT_TRUE(parsed) << parsed.error().message;
  return parsed ? *parsed : LatencyGoal{};
}

TEST(SweepTest, GoalsAreReadAndSaid) {
  EXPECT_EQ(goal_text(goal({"ttft:200", "tpot:30"})), "TTFT <= 200 ms and TPOT <= 30 ms");
  EXPECT_EQ(goal_text(goal({"e2el:1.5"})), "E2E <= 1.5 ms");
  for (const char* wrong : {"ttft", "ttft:", "ttft:-1", "speed:3", "tpot:x", ""})
    EXPECT_FALSE(parse_goal(std::vector<std::string>{wrong})) << wrong;
  EXPECT_FALSE(parse_goal({}));
}

// TTFT 100 ms, then 4 tokens over 300 ms: TPOT 100 ms, 400 ms in all.
RequestRecord record() {
  return {.start_s = 1, .end_s = 1.4, .token_times = {{1.1, 1}, {1.4, 4}}, .output_len = 4};
}

TEST(SweepTest, ARequestMeetsAGoalOrNot) {
  EXPECT_TRUE(meets(record(), goal({"ttft:101", "tpot:101", "e2e:401"})));
  EXPECT_FALSE(meets(record(), goal({"ttft:99"})));
  EXPECT_FALSE(meets(record(), goal({"tpot:99"})));
  EXPECT_FALSE(meets(record(), goal({"e2e:399"})));
  const std::vector<RequestRecord> records = {record(), {.error = "gone"}};
  EXPECT_EQ(share_that_meets(records, goal({"ttft:999"})), 0.5);
  EXPECT_EQ(share_that_meets({}, {}), 0);
}

// What a server that holds the goal up to `capacity` is asked.
std::vector<int> tried(int least, int most, int capacity) {
  std::vector<int> order;
  SweepSearch search(least, most);
  while (const auto next = search.next()) {
    order.push_back(*next);
    search.add(*next, *next <= capacity);
  }
  return order;
}

TEST(SweepTest, TheSearchDoublesAndThenHalvesTheGap) {
  EXPECT_THAT(tried(1, 256, 20), ElementsAre(1, 2, 4, 8, 16, 32, 24, 20, 22));
  EXPECT_THAT(tried(1, 64, 1000), ElementsAre(1, 2, 4, 8, 16, 32, 64));
  EXPECT_THAT(tried(1, 100, 1000), ElementsAre(1, 2, 4, 8, 16, 32, 64, 100));
  EXPECT_THAT(tried(1, 256, 0), ElementsAre(1));
  EXPECT_THAT(tried(1, 256, 5), ElementsAre(1, 2, 4, 8, 6, 5));
}

TEST(SweepTest, TheReportNamesTheHighestRateThatMet) {
  std::vector<SweepPoint> points(3);
  for (size_t i = 0; i < 3; ++i) {
    points[i].num_in_flight = 4 - static_cast<int>(i);
    points[i].summary.request_throughput = 40 - 10 * static_cast<double>(i);
    points[i].share_met = 0.5 + 0.25 * static_cast<double>(i);
    points[i].met = i > 0;
  }
  const std::string report = sweep_report(points, goal({"ttft:200"}), 0.75);
  EXPECT_THAT(report, HasSubstr("met TTFT <= 200 ms for 75 % of the requests: 30.00 requests/s"));
  EXPECT_LT(report.find("| 2 |"), report.find("| 4 |"));
  EXPECT_THAT(report, HasSubstr("| 50.0 | 20.00 | no |"));
  EXPECT_TRUE(check_met(points, goal({"ttft:200"}), 0.75));
  points.resize(1);
  EXPECT_THAT(sweep_report(points, goal({"ttft:200"}), 0.75), HasSubstr("No load"));
}

TEST(SweepTest, WhatNothingMetIsSaidWithTheLowestLoad) {
  std::vector<SweepPoint> points(2);
  points[0] = {.num_in_flight = 2};
  points[1] = {.num_in_flight = 1, .share_met = 0.125};
  points[1].summary.ttft = {.mean = 210, .median = 205.5, .p99 = 300};
  const auto met = check_met(points, goal({"ttft:200"}), 0.99);
  ASSERT_FALSE(met);
  EXPECT_EQ(met.error().message,
            "No load that was tried met TTFT <= 200 ms for 99 % of the requests. With 1 in flight "
            "12.5 % did: TTFT 210.00 / 205.50 / 300.00 ms, TPOT 0.00 / 0.00 / 0.00 ms, E2E 0.00 / "
            "0.00 / 0.00 ms (mean / median / p99).");
}

}  // namespace
}  // namespace glint
