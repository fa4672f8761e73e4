// The scheduler's contract, one behaviour a test, as schedules in text.

#include "scheduler/scheduler.h"

#include <gtest/gtest.h>

#include "scheduler/scheduler_harness.h"

namespace glint {
namespace {

SchedulerLimits roomy() {
  SchedulerLimits limits;
  limits.page_size = 4;
  limits.num_pages = 16;
  limits.max_running_requests = 4;
  limits.chunked_prefill_size = 8;
  limits.context_length = 64;
  return limits;
}

SchedulerLimits with_pages(int num_pages) {
  SchedulerLimits limits = roomy();
  limits.num_pages = num_pages;
  limits.chunked_prefill_size = 16;
  return limits;
}

// A long prompt must not stall the tokens of a conversation that is already streaming.
TEST(SchedulerTest, LongPromptIsPrefilledInChunksBesideDecodes) {
  SchedulerHarness h(roomy());
  h.submit('a', "hello", {.max_tokens = 9});
  EXPECT_EQ(h.step(), "prefill a[0,5)");
  h.submit('b', "a prompt of 22 tokens.", {});
  EXPECT_EQ(h.step(), "prefill b[0,8) | decode a");
  EXPECT_EQ(h.step(), "prefill b[8,16) | decode a");
  EXPECT_EQ(h.step(), "prefill b[16,22) | decode a");
  EXPECT_FALSE(h.here('b'));
}

// The model has room for more rows of prompts than of anything else.
TEST(SchedulerTest, AStepWithMoreThanPromptsIsSmaller) {
  SchedulerLimits limits = roomy();
  limits.chunked_prefill_size = 16;
  limits.max_mixed_tokens = 6;
  SchedulerHarness h(limits);
  h.submit('a', "hello", {.max_tokens = 3});
  EXPECT_EQ(h.step(), "prefill a[0,5)");
  h.submit('b', "a prompt of 26 tokens, say", {});
  EXPECT_EQ(h.step(), "prefill b[0,5) | decode a");
  EXPECT_EQ(h.step(), "prefill b[5,10) | decode a");
  EXPECT_EQ(h.step(), "prefill b[10,26)");
}

// Also where prompts are not cut into chunks.
TEST(SchedulerTest, AWholePromptWaitsForTheDecodesEnd) {
  SchedulerLimits limits = roomy();
  limits.chunked_prefill_size = -1;
  limits.max_mixed_tokens = 6;
  SchedulerHarness h(limits);
  h.submit('a', "hello", {.max_tokens = 2});
  EXPECT_EQ(h.step(), "prefill a[0,5)");
  h.submit('b', "a prompt of 26 tokens, say", {});
  EXPECT_EQ(h.step(), "prefill b[0,5) | decode a");
  EXPECT_EQ(h.step(), "prefill b[5,26)");
}

// Chunks are for others' sake, and cost time: each reads again what those before it left.
TEST(SchedulerTest, APromptThatIsAloneIsComputedWhole) {
  SchedulerLimits limits = roomy();
  limits.max_alone_tokens = 20;
  limits.max_prefill_tokens = 8;
  SchedulerHarness h(limits);
  h.submit('a', "twenty letters, all.", {});
  EXPECT_EQ(h.step(), "prefill a[0,20)");
  h.submit('b', "more than those letters", {});
  EXPECT_EQ(h.step(), "prefill b[0,8)") << "too long";
  EXPECT_EQ(h.step(), "prefill b[8,23)") << "what is left is not";
}

TEST(SchedulerTest, APromptThatIsNotAloneIsChunked) {
  SchedulerLimits limits = roomy();
  limits.max_alone_tokens = 20;
  SchedulerHarness h(limits);
  h.submit('a', "one of 16 tokens", {.max_tokens = 3});
  h.submit('b', "twenty letters, all.", {});
  EXPECT_EQ(h.step(), "prefill a[0,8)") << "the other waits";
  EXPECT_EQ(h.step(), "prefill a[8,16)");
  EXPECT_EQ(h.step(), "prefill b[0,8) | decode a");
  EXPECT_EQ(h.step(), "prefill b[8,16) | decode a");
  EXPECT_EQ(h.step(), "prefill b[16,20)");
}

TEST(SchedulerTest, PromptsShareAStepsBudget) {
  SchedulerHarness h(roomy());
  h.submit('a', "aaaaa", {});
  h.submit('b', "bbbbb", {});
  EXPECT_EQ(h.step(), "prefill a[0,5) b[0,3)");
  EXPECT_EQ(h.step(), "prefill b[3,5)");
}

// Two requests with one system prompt pay for its whole pages once. The last token is always
// computed, even when it is cached, because its logits are needed.
TEST(SchedulerTest, SharedPrefixIsComputedOnce) {
  SchedulerHarness h(roomy());
  h.submit('a', "SYSTEM: ", {});
  EXPECT_EQ(h.step(), "prefill a[0,8)");
  EXPECT_EQ(h.pages(), "0 used, 2 cached, 14 free");
  h.submit('b', "SYSTEM: hi", {});
  h.submit('c', "SYSTEM: ", {});
  EXPECT_EQ(h.step(), "prefill b[8,10) c[4,8)");
}

// Others need not wait for the end of the request that computed the prefix.
TEST(SchedulerTest, PromptIsSharedAfterItsFirstToken) {
  SchedulerHarness h(roomy());
  h.submit('a', "SYSTEM: ", {.max_tokens = 9});
  h.step();
  h.submit('b', "SYSTEM: hi", {});
  EXPECT_EQ(h.step(), "prefill b[8,10) | decode a");
}

// What was generated is computed again where it is part of a prompt: its rows are of another form.
TEST(SchedulerTest, GeneratedRowsAreNotSharedWherePromptRowsOnlyAre) {
  for (const bool prompt_rows_only : {false, true}) {
    SchedulerLimits limits = roomy();
    limits.share_prompt_rows_only = prompt_rows_only;
    SchedulerHarness h(limits);
    h.submit('a', "prompt", {.max_tokens = 7});
    while (h.here('a')) h.step();
    h.submit('b', "prompt....... and", {});
    EXPECT_EQ(h.step(), prompt_rows_only ? "prefill b[4,12)" : "prefill b[12,17)");
  }
}

// Nor are rows of another's prompt taken for generated ones after a retraction.
TEST(SchedulerTest, PromptRowsDoNotStandForGeneratedOnes) {
  for (const bool prompt_rows_only : {false, true}) {
    SchedulerLimits limits = with_pages(6);
    limits.share_prompt_rows_only = prompt_rows_only;
    SchedulerHarness h(limits);
    h.submit('c', "cc......", {.max_tokens = 1});  // the tokens of b, as a prompt
    EXPECT_EQ(h.step(), "prefill c[0,8)");
    h.submit('a', "aa", {.max_tokens = 15});
    h.submit('b', "cc", {.max_tokens = 14});
    std::string step;
    while (step.find("retract b") == std::string::npos) step = h.step();
    while (h.here('a')) step = h.step();
    EXPECT_EQ(h.step(), prompt_rows_only ? "prefill b[0,2)" : "recompute b[8,13)");
  }
}

TEST(SchedulerTest, NamespacesAndOptOutsDoNotShare) {
  SchedulerHarness h(roomy());
  h.submit('a', "SYSTEM: ", {.cache_namespace = 1});
  h.step();
  h.submit('b', "SYSTEM: ", {.cache_namespace = 2});
  EXPECT_EQ(h.step(), "prefill b[0,8)");
  h.submit('c', "SYSTEM: ", {.cache_namespace = 1, .use_prefix_cache = false});
  EXPECT_EQ(h.step(), "prefill c[0,8)");
  h.submit('d', "SYSTEM: ", {.cache_namespace = 1});
  EXPECT_EQ(h.step(), "prefill d[4,8)");
}

// Out of pages, the newest gives way. It comes back to its place in line and finds what the others
// left of its whole pages in the cache.
TEST(SchedulerTest, NewestGivesWayAndResumesFromItsCachedPages) {
  SchedulerHarness h(with_pages(4));
  h.submit('a', "aa", {.max_tokens = 10});
  h.submit('b', "bb", {.max_tokens = 14});
  EXPECT_EQ(h.step(), "prefill a[0,2) b[0,2)");
  for (int i = 0; i < 6; ++i) EXPECT_EQ(h.step(), "decode a b") << i;
  h.submit('c', "c", {.max_tokens = 1});
  EXPECT_EQ(h.step(), "decode a | retract b");  // a takes b's second page
  EXPECT_EQ(h.step(), "decode a");
  EXPECT_EQ(h.step(), "decode a");
  EXPECT_EQ(h.output('a'), "..........");
  EXPECT_EQ(h.step(), "recompute b[4,9)");  // ahead of c
  EXPECT_EQ(h.output('b'), "........");
}

// Nobody starts into the last pages that those who run will grow into.
TEST(SchedulerTest, OnePageARunningSequenceStaysFree) {
  SchedulerHarness h(with_pages(4));
  h.submit('a', "aaaaaaa", {.max_tokens = 9});
  h.submit('b', "bbbbbb", {.max_tokens = 4});
  EXPECT_EQ(h.step(), "prefill a[0,7)");
  EXPECT_EQ(h.step(), "decode a");
  h.cancel('a');
  EXPECT_EQ(h.step(), "prefill b[0,6)");
}

// Prompt rows in prompt form, generated ones in decode form: never in one chunk.
TEST(SchedulerTest, OldestNeverGivesWay) {
  SchedulerLimits limits = with_pages(4);
  limits.prefix_cache = false;
  SchedulerHarness h(limits);
  h.submit('a', "aa", {.max_tokens = 14});
  h.submit('b', "bb", {.max_tokens = 14});
  EXPECT_EQ(h.step(), "prefill a[0,2) b[0,2)");
  for (int i = 0; i < 6; ++i) EXPECT_EQ(h.step(), "decode a b") << i;
  EXPECT_EQ(h.step(), "decode a | retract b");  // a's third page
  for (int i = 0; i < 6; ++i) EXPECT_EQ(h.step(), "decode a") << i;
  EXPECT_EQ(h.output('a').size(), 14u);
  EXPECT_EQ(h.step(), "prefill b[0,2)");
  EXPECT_EQ(h.step(), "recompute b[2,9)");
  EXPECT_EQ(h.step(), "decode b");
}

TEST(SchedulerTest, LowerPriorityGivesWayFirst) {
  SchedulerLimits limits = with_pages(4);
  limits.prefix_cache = false;
  limits.policy = SchedulePolicy::kPriority;
  SchedulerHarness h(limits);
  h.submit('a', "aa", {.max_tokens = 14, .priority = 1});
  h.submit('b', "bb", {.max_tokens = 14, .priority = 2});
  EXPECT_EQ(h.step(), "prefill b[0,2) a[0,2)");
  for (int i = 0; i < 6; ++i) h.step();
  EXPECT_EQ(h.step(), "decode b | retract a");
}

TEST(SchedulerTest, LongestCachedPrefixGoesFirstUnderLpm) {
  SchedulerLimits limits = roomy();
  limits.policy = SchedulePolicy::kLpm;
  limits.max_running_requests = 1;
  SchedulerHarness h(limits);
  h.submit('a', "SYSTEM: ", {});
  h.step();
  h.submit('b', "other", {});
  h.submit('c', "SYSTEM: hi", {});
  EXPECT_EQ(h.step(), "prefill c[8,10)");
  EXPECT_EQ(h.step(), "prefill b[0,5)");
}

TEST(SchedulerTest, LpmStarvesNobody) {
  SchedulerLimits limits = roomy();
  limits.policy = SchedulePolicy::kLpm;
  limits.max_running_requests = 1;
  SchedulerHarness h(limits);
  h.submit('a', "SYSTEM: ", {});
  h.step();
  h.submit('z', "other", {});
  int steps = 0;
  for (; h.here('z') && steps < 100; ++steps) {
    h.submit('b', "SYSTEM: hi", {});
    h.step();
    h.cancel('b');
  }
  EXPECT_EQ(steps, 33);  // kMaxOvertaken others went first
}

// With run-ahead a stop id is seen when the next step is under way: its token is dropped.
TEST(SchedulerTest, TokenAfterAStopIsDropped) {
  SchedulerHarness h(roomy());
  h.submit('a', "hi", {.max_tokens = 9, .stop = "#"});
  h.say('a', "x#y");
  EXPECT_EQ(h.submit_step(), "prefill a[0,2)");
  EXPECT_EQ(h.submit_step(), "decode a");
  EXPECT_EQ(h.collect_step(), "");
  EXPECT_EQ(h.submit_step(), "decode a");
  EXPECT_EQ(h.collect_step(), "a:stop");
  EXPECT_EQ(h.collect_step(), "");
  EXPECT_EQ(h.output('a'), "x#");
  EXPECT_EQ(h.pages(), "0 used, 0 cached, 16 free");
}

// The limit is known beforehand: no step is wasted on it.
TEST(SchedulerTest, NothingIsPlannedBeyondMaxTokens) {
  SchedulerHarness h(roomy());
  h.submit('a', "hi", {.max_tokens = 2});
  EXPECT_EQ(h.submit_step(), "prefill a[0,2)");
  EXPECT_EQ(h.submit_step(), "decode a");
  h.collect_step();
  EXPECT_EQ(h.submit_step(), "");
  EXPECT_EQ(h.collect_step(), "a:length");
}

TEST(SchedulerTest, ZeroMaxTokensFillsTheCacheOnly) {
  SchedulerHarness h(roomy());
  h.submit('a', "SYSTEM: ", {.max_tokens = 0});
  EXPECT_EQ(h.step(), "prefill a[0,8)");
  EXPECT_EQ(h.output('a'), "");
  EXPECT_EQ(h.pages(), "0 used, 2 cached, 14 free");
}

TEST(SchedulerTest, BadNumbersEndOneSequenceAndAreNotShared) {
  SchedulerHarness h(roomy());
  h.submit('a', "aaaa", {.max_tokens = 9});
  h.submit('b', "bbbb", {.max_tokens = 2});
  h.say('a', "!");
  EXPECT_EQ(h.step(), "prefill a[0,4) b[0,4)");
  EXPECT_FALSE(h.here('a'));
  EXPECT_EQ(h.pages(), "1 used, 0 cached, 15 free");
  EXPECT_EQ(h.step(), "decode b");
  EXPECT_EQ(h.pages(), "0 used, 1 cached, 15 free") << "b's prompt alone is shared";
}

TEST(SchedulerTest, CancelFreesPagesInEveryState) {
  SchedulerLimits limits = roomy();
  limits.prefix_cache = false;
  SchedulerHarness h(limits);
  h.submit('a', "a prompt of 22 tokens.", {});
  h.cancel('a');  // waiting
  EXPECT_EQ(h.step(), "");
  h.submit('b', "a prompt of 22 tokens.", {});
  h.step();
  h.cancel('b');  // in the middle of its prompt
  EXPECT_EQ(h.pages(), "0 used, 0 cached, 16 free");
  h.submit('c', "hi", {.max_tokens = 9});
  h.submit_step();
  h.cancel('c');  // with a token in flight
  EXPECT_EQ(h.collect_step(), "");
  EXPECT_EQ(h.output('c'), "");
  EXPECT_EQ(h.pages(), "0 used, 0 cached, 16 free");
}

TEST(SchedulerTest, PrefillsAndDecodesTakeTurnsWithoutMixedSteps) {
  SchedulerLimits limits = roomy();
  limits.mixed_chunks = false;
  SchedulerHarness h(limits);
  h.submit('a', "hello", {.max_tokens = 9});
  h.step();
  h.submit('b', "a prompt of 22 tokens.", {});
  EXPECT_EQ(h.step(), "decode a");
  EXPECT_EQ(h.step(), "prefill b[0,8)");
  EXPECT_EQ(h.step(), "decode a");
  EXPECT_EQ(h.step(), "prefill b[8,16)");
}

// 100 us a step, 10 us a row: beside two decodes, six rows, and at least a page's worth; alone,
// as many as a step may have.
TEST(SchedulerTest, PromptChunksKeepWithinTheStepsTime) {
  SchedulerLimits limits = roomy();
  limits.cost = {.base_us = 20, .per_token_us = 10, .per_context_token_us = 0};
  limits.step_budget_us = 100;
  SchedulerHarness h(limits);
  h.submit('a', "a", {.max_tokens = 9});
  h.submit('b', "b", {.max_tokens = 9});
  EXPECT_EQ(h.step(), "prefill a[0,1) b[0,1)");
  h.submit('c', "a prompt of 22 tokens.", {});
  EXPECT_EQ(h.step(), "prefill c[0,6) | decode a b");
  limits.step_budget_us = 1;
  SchedulerHarness tight(limits);
  tight.submit('a', "a prompt of 22 tokens.", {.max_tokens = 9});
  for (const char* alone : {"prefill a[0,8)", "prefill a[8,16)", "prefill a[16,22)"})
    EXPECT_EQ(tight.step(), alone);
  tight.submit('b', "Another of 22 tokens..", {});
  EXPECT_EQ(tight.step(), "prefill b[0,4) | decode a");
}

TEST(SchedulerTest, CostGrowsWithTheContext) {
  SchedulerLimits limits = roomy();
  limits.cost = {.base_us = 0, .per_token_us = 0, .per_context_token_us = 1};
  // Beside a row of d that costs 1.5 and then 2.5: 8 rows from 0 on cost 8 * 4; from 8 on, 3 rows
  // cost 3 * 9.5.
  limits.step_budget_us = 34;
  SchedulerHarness h(limits);
  h.submit('d', "d", {.max_tokens = 9});
  EXPECT_EQ(h.step(), "prefill d[0,1)");
  h.submit('a', "a prompt of 22 tokens.", {});
  EXPECT_EQ(h.step(), "prefill a[0,8) | decode d");
  EXPECT_EQ(h.step(), "prefill a[8,12) | decode d") << "a page's worth, whatever it costs";
}

// The n answers of a long prompt: those that wait hold no copy of it.
TEST(SchedulerTest, APromptIsCopiedWhenItsSequenceStarts) {
  SchedulerLimits limits = roomy();
  limits.max_running_requests = 1;
  SchedulerHarness h(limits);
  const SharedTokens prompt = {1, 2, 3, 4, 5};
  for (const SequenceId id : {1u, 2u, 3u})
    h.scheduler().add({.id = id, .prompt = prompt, .max_tokens = 2, .stop_token_ids = {}});
  h.submit_step();
  EXPECT_NE(h.scheduler().find(1)->known().data(), prompt.data());
  EXPECT_EQ(h.scheduler().find(2)->known().data(), prompt.data());
  EXPECT_EQ(h.scheduler().find(3)->known().data(), prompt.data());
}

TEST(SchedulerTest, FlushNeedsAnIdleScheduler) {
  SchedulerHarness h(roomy());
  h.submit('a', "SYSTEM: ", {.max_tokens = 2});
  h.step();
  EXPECT_FALSE(h.scheduler().flush_cache());
  h.step();
  EXPECT_EQ(h.pages(), "0 used, 2 cached, 14 free");
  EXPECT_TRUE(h.scheduler().flush_cache());
  EXPECT_EQ(h.pages(), "0 used, 0 cached, 16 free");
}

}  // namespace
}  // namespace glint
