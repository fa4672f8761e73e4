// What flags say about who goes first and how much starts at once, as schedules in text.

#include <gtest/gtest.h>

#include "scheduler/scheduler_harness.h"

namespace glint {
namespace {

SchedulerLimits one_at_a_time() {
  SchedulerLimits limits;
  limits.page_size = 4;
  limits.num_pages = 16;
  limits.max_running_requests = 1;
  limits.chunked_prefill_size = 16;
  limits.context_length = 64;
  return limits;
}

TEST(OrderTest, TheLongestOutputGoesFirstUnderLof) {
  SchedulerLimits limits = one_at_a_time();
  limits.policy = SchedulePolicy::kLof;
  SchedulerHarness h(limits);
  h.submit('a', "a", {.max_tokens = 1});
  h.submit('b', "b", {.max_tokens = 2});
  h.submit('c', "c", {.max_tokens = 2});
  EXPECT_EQ(h.step(), "prefill b[0,1)");
  EXPECT_EQ(h.step(), "decode b");
  EXPECT_EQ(h.step(), "prefill c[0,1)");
  EXPECT_EQ(h.step(), "decode c");
  EXPECT_EQ(h.step(), "prefill a[0,1)");
}

TEST(OrderTest, LowPriorityValuesMayGoFirst) {
  SchedulerLimits limits = one_at_a_time();
  limits.policy = SchedulePolicy::kPriority;
  limits.low_priority_values_first = true;
  SchedulerHarness h(limits);
  h.submit('a', "a", {.priority = 3});
  h.submit('b', "b", {.priority = -3});
  EXPECT_EQ(h.step(), "prefill b[0,1)");
  EXPECT_EQ(h.step(), "prefill a[0,1)");
}

// b is as much above a as the threshold is, c more.
TEST(OrderTest, ARunningSequenceGivesWayToAPriorityAboveTheThreshold) {
  SchedulerLimits limits = one_at_a_time();
  limits.policy = SchedulePolicy::kPriority;
  limits.preemption_threshold = 10;
  SchedulerHarness h(limits);
  h.submit('a', "aa", {.max_tokens = 3});
  EXPECT_EQ(h.step(), "prefill a[0,2)");
  h.submit('b', "b", {.priority = 10});
  EXPECT_EQ(h.step(), "decode a");
  h.submit('c', "c", {.priority = 11});
  EXPECT_EQ(h.step(), "prefill c[0,1) | retract a");
  EXPECT_EQ(h.step(), "prefill b[0,1)");
  EXPECT_EQ(h.step(), "prefill a[0,2)");
  EXPECT_EQ(h.step(), "recompute a[2,4)");
  EXPECT_EQ(h.output('a'), "...");
}

// Its token in flight comes back to it, and it does not start again in the step that it left.
TEST(OrderTest, WhoIsPreemptedKeepsItsTokenInFlight) {
  SchedulerLimits limits = one_at_a_time();
  limits.max_running_requests = 2;
  limits.num_pages = 4;
  limits.policy = SchedulePolicy::kPriority;
  limits.preemption_threshold = 0;
  SchedulerHarness h(limits);
  h.submit('a', "aaaaaaaaa", {.max_tokens = 3});
  EXPECT_EQ(h.submit_step(), "prefill a[0,9)");
  h.submit('b', "bbbb", {.priority = 1});
  EXPECT_EQ(h.submit_step(), "prefill b[0,4) | retract a");
  EXPECT_EQ(h.collect_step(), "");
  EXPECT_EQ(h.output('a'), ".");
  EXPECT_EQ(h.collect_step(), "b:length");
  EXPECT_EQ(h.step(), "prefill a[0,9)");
}

TEST(OrderTest, NobodyGivesWayWhereThereIsRoom) {
  SchedulerLimits limits = one_at_a_time();
  limits.max_running_requests = 2;
  limits.policy = SchedulePolicy::kPriority;
  limits.preemption_threshold = 0;
  SchedulerHarness h(limits);
  h.submit('a', "aa", {.max_tokens = 3});
  EXPECT_EQ(h.step(), "prefill a[0,2)");
  h.submit('b', "b", {.priority = 5});
  EXPECT_EQ(h.step(), "prefill b[0,1) | decode a");
}

// a has one page and b needs two; one more must stay free for a, or two, or none.
TEST(OrderTest, ConservativenessIsPagesKeptForEachThatRuns) {
  for (const auto& [conservativeness, num_pages] :
       {std::pair{1.0, 4}, std::pair{2.0, 5}, std::pair{0.0, 3}}) {
    for (const int missing : {0, 1}) {
      SchedulerLimits limits = one_at_a_time();
      limits.max_running_requests = 2;
      limits.num_pages = num_pages - missing;
      limits.conservativeness = conservativeness;
      limits.prefix_cache = false;
      SchedulerHarness h(limits);
      h.submit('a', "a", {.max_tokens = 3});
      EXPECT_EQ(h.step(), "prefill a[0,1)");
      h.submit('b', "bbbbb", {.max_tokens = 1});
      EXPECT_EQ(h.step(), missing == 0 ? "prefill b[0,5) | decode a" : "decode a")
          << conservativeness << " with " << limits.num_pages << " pages";
    }
  }
}

TEST(OrderTest, MaxPrefillTokensBoundsTheChunksOfAStep) {
  SchedulerLimits limits = one_at_a_time();
  limits.max_running_requests = 4;
  limits.max_prefill_tokens = 6;
  SchedulerHarness h(limits);
  h.submit('a', "aaaa", {});
  h.submit('b', "bbbb", {});
  EXPECT_EQ(h.step(), "prefill a[0,4) b[0,2)");
  EXPECT_EQ(h.step(), "prefill b[2,4)");
}

// Without chunks, one prompt may be longer than the bound, but then it is alone.
TEST(OrderTest, AWholePromptMayBeLongerThanMaxPrefillTokens) {
  SchedulerLimits limits = one_at_a_time();
  limits.max_running_requests = 4;
  limits.chunked_prefill_size = -1;
  limits.max_prefill_tokens = 6;
  SchedulerHarness h(limits);
  h.submit('a', "aaaaaaaa", {});
  h.submit('b', "bbbb", {});
  EXPECT_EQ(h.step(), "prefill a[0,8)");
  EXPECT_EQ(h.step(), "prefill b[0,4)");
}

}  // namespace
}  // namespace glint
