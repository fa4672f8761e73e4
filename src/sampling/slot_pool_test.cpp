// The state of sequences that run beside each other, in memory that the host does not touch.

#include "sampling/slot_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "sampling/sample_harness.h"

namespace glint {
namespace {

using testing::ElementsAre;
using testing::ElementsAreArray;

std::vector<float> random_logits(std::mt19937_64& rng) {
  std::normal_distribution<float> normal(0, 2);
  std::vector<float> logits(60);
  for (float& x : logits) x = normal(rng);
  return logits;
}

// Of every list and state that a slot can have.
SamplingParams random_params(std::mt19937_64& rng) {
  const auto id = [&] { return static_cast<TokenId>(rng() % 60); };
  SamplingParams params{.temperature = 0.9f, .top_p = 0.95f, .seed = rng()};
  params.frequency_penalty = rng() % 2 == 0 ? 0.0f : 0.7f;
  params.repetition_penalty = rng() % 2 == 0 ? 1.0f : 1.3f;
  for (uint64_t i = rng() % 4; i > 0; --i) params.logit_bias.emplace_back(id(), 2.0f);
  for (uint64_t i = rng() % 4; i > 0; --i) params.stop_token_ids.push_back(id());
  params.min_tokens = static_cast<int>(rng() % 20);
  params.num_logprobs = static_cast<int>(rng() % 4) - 1;
  for (uint64_t i = rng() % 4; i > 0; --i) params.logprob_ids.push_back(id());
  return params;
}

std::vector<Trigger> random_triggers(std::mt19937_64& rng) {
  std::vector<Trigger> triggers(rng() % 3);
  for (Trigger& trigger : triggers) {
    trigger.after_tokens = static_cast<int>(rng() % 30);
    trigger.forced_ids = {static_cast<TokenId>(rng() % 60), 7};
    if (rng() % 2 == 0) trigger.one_of = {{3, 8}, {4}, {5, 9, 1}, {5, 2}};
  }
  return triggers;
}

struct Request {
  SamplingParams params;
  std::vector<Trigger> triggers;
  uint64_t logits_seed = 0;
  std::vector<SampleResult> alone;
};

constexpr int kLength = 40;

std::vector<Request> random_requests(int count) {
  std::mt19937_64 rng(1);
  std::vector<Request> requests(static_cast<size_t>(count));
  for (Request& request : requests) {
    request = {random_params(rng), random_triggers(rng), rng(), {}};
    SampleHarness h;
    const int slot = h.start(request.params, request.triggers);
    std::mt19937_64 logits(request.logits_seed);
    for (int i = 0; i < kLength; ++i)
      request.alone.push_back(h.sample(slot, random_logits(logits)));
  }
  return requests;
}

// Sequences start, end, give way and resume in slots beside others that run on; each gets what it
// gets alone.
TEST(SlotPoolTest, SlotsAreResetWhileOthersRun) {
  const std::vector<Request> requests = random_requests(60);
  struct Running {
    int slot = 0;
    const Request* request = nullptr;
    std::mt19937_64 logits;
    std::vector<SampleResult> results;
  };
  SampleHarness h;
  std::mt19937_64 rng(2);
  std::vector<int> free_slots;
  for (int slot = 0; slot < SampleHarness::kNumSlots; ++slot) free_slots.push_back(slot);
  const auto take_slot = [&] {
    std::swap(free_slots.back(), free_slots[rng() % free_slots.size()]);
    const int slot = free_slots.back();
    free_slots.pop_back();
    return slot;
  };
  std::vector<Running> running;
  size_t next = 0, num_ended = 0, num_resumed = 0;
  while (num_ended < requests.size()) {
    while (next < requests.size() && !free_slots.empty() && rng() % 2 == 0) {
      const Request& request = requests[next++];
      running.push_back({take_slot(), &request, std::mt19937_64(request.logits_seed), {}});
      h.reset(running.back().slot, request.params, request.triggers);
    }
    if (running.empty()) continue;
    if (Running& resumes = running[rng() % running.size()]; rng() % 3 == 0) {
      std::vector<TokenId> output;
      for (const SampleResult& result : resumes.results) output.push_back(result.id);
      free_slots.push_back(resumes.slot);
      resumes.slot = take_slot();
      h.reset(resumes.slot, resumes.request->params, resumes.request->triggers, output);
      ++num_resumed;
    }
    std::vector<int32_t> slots;
    std::vector<std::vector<float>> rows;
    for (Running& sequence : running) {
      slots.push_back(sequence.slot);
      rows.push_back(random_logits(sequence.logits));
    }
    const std::vector<SampleResult> results = h.sample(slots, rows, 60);
    for (size_t i = 0; i < running.size(); ++i) running[i].results.push_back(results[i]);
    std::erase_if(running, [&](const Running& sequence) {
      if (sequence.results.size() < kLength) return false;
      EXPECT_EQ(sequence.results, sequence.request->alone);
      free_slots.push_back(sequence.slot);
      ++num_ended;
      return true;
    });
  }
  EXPECT_GT(num_resumed, 20u);
}

// Rows of one slot in one step follow each other, as when drafts are verified.
TEST(SlotPoolTest, RowsOfOneSlotCountOneAfterAnother) {
  SampleHarness h;
  const SamplingParams params{.temperature = 0, .presence_penalty = 2};
  const std::vector<float> row = {4, 3, 2};
  const int one_by_one = h.start(params), at_once = h.start(params);
  EXPECT_THAT(h.draw(one_by_one, row, 3), ElementsAre(0, 1, 0));
  const auto results = h.sample({at_once, at_once, at_once}, {row, row, row}, 3);
  EXPECT_EQ(results[0].id, 0);
  EXPECT_EQ(results[1].id, 1);
  EXPECT_EQ(results[2].id, 0);
}

TEST(SlotPoolTest, TakesTheLargestLists) {
  SampleHarness h;
  SamplingParams params{.temperature = 0, .min_tokens = 1, .num_logprobs = kMaxLogprobs};
  for (int i = 0; i < kMaxLogitBiases; ++i) params.logit_bias.emplace_back(i, i == 1023 ? 0 : 1.0f);
  params.logit_bias.back() = {5, 9.0f};
  params.stop_token_ids.assign(kMaxStopTokenIds, 0);
  params.stop_token_ids.back() = 1;
  params.logprob_ids.assign(kMaxLogprobIds, 0);
  params.logprob_ids.back() = 1;
  std::vector<Trigger> triggers(kMaxTriggers, {.on_token = 99});
  triggers.back() = {.on_token = 5, .forced_ids = std::vector<TokenId>(kMaxTriggerIds - 1, 0)};
  triggers.back().one_of = {{3}};
  const int slot = h.start(params, triggers);
  std::vector<float> row(60, 0.0f);
  row[1] = 12, row[2] = 11, row[5] = 2.5f;
  const SampleResult first = h.sample(slot, row);
  EXPECT_EQ(first.id, 5) << "1 is the last stop id, and 5 has the last bias, too";
  EXPECT_EQ(first.id_logprobs.back(), first.top_logprobs.front()) << "1 is the likeliest";
  const std::vector<TokenId> forced(kMaxTriggerIds - 1, 0);
  EXPECT_THAT(h.draw(slot, row, kMaxTriggerIds - 1), ElementsAreArray(forced));
  EXPECT_THAT(h.draw(slot, row, 2), ElementsAre(3, 1));
}

TEST(SlotPoolDeathTest, MoreThanTheLimitsIsNotForHere) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // a forked process has no CUDA
  SampleHarness h;
  EXPECT_DEATH(h.start({.logit_bias = {kMaxLogitBiases + 1, {0, 1.0f}}}), "1025 logit biases");
  EXPECT_DEATH(h.start({.stop_token_ids = std::vector<TokenId>(kMaxStopTokenIds + 1)}),
               "257 stop ids");
  EXPECT_DEATH(h.start({.num_logprobs = kMaxLogprobs + 1}), "21 log-probabilities");
  EXPECT_DEATH(h.start({.logprob_ids = std::vector<TokenId>(kMaxLogprobIds + 1)}),
               "129 ids with log-probabilities");
  EXPECT_DEATH(h.start({}, std::vector<Trigger>(kMaxTriggers + 1)), "9 triggers");
  EXPECT_DEATH(h.start({}, {{.forced_ids = std::vector<TokenId>(kMaxTriggerIds + 1)}}),
               "2049 ids of triggers");
}

}  // namespace
}  // namespace glint
