// The sample op of this program's backend against the CPU's: the same ids, and log-probabilities up
// to the rounding of exp and log in FP32 (a few units in the last place of numbers below 32).

#include <gtest/gtest.h>

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <random>

#include "backend/cpu/cpu_backend.h"
#include "sampling/sample_harness.h"

namespace glint {
namespace {

constexpr float kTolerance = 1e-5f;

class SameAsCpuTest : public testing::Test {
 protected:
  int integer(int min, int max) { return std::uniform_int_distribution(min, max)(rng_); }
  bool one_in(int n) { return integer(1, n) == 1; }
  float number(float min, float max) {
    return std::uniform_real_distribution<float>(min, max)(rng_);
  }
  std::vector<float> logits(int size, float deviation) {
    std::normal_distribution<float> normal(0, deviation);
    std::vector<float> logits(static_cast<size_t>(size));
    for (float& x : logits) x = normal(rng_);
    return logits;
  }

  // Few ids, or so many that a backend cuts the row into parts.
  int vocab_size() { return one_in(2) ? integer(6, 128) : integer(129, SampleHarness::kVocabSize); }

  // Each filter and list in some requests. Ids may lie outside of the vocabulary, or be named
  // twice.
  SamplingParams random_params(int num_ids) {
    SamplingParams params{.seed = rng_(), .choice = integer(0, 3), .num_logprobs = integer(-1, 5)};
    params.temperature = one_in(3) ? 0.0f : number(0.2f, 2);
    if (one_in(2)) params.top_p = number(0.01f, 1);
    if (one_in(2)) params.top_k = integer(1, 2 * num_ids);
    if (one_in(3)) params.min_p = number(0, 1);
    if (one_in(3)) params.repetition_penalty = number(0.5f, 2);
    if (one_in(3)) params.frequency_penalty = number(-1, 2);
    if (one_in(3)) params.presence_penalty = number(-1, 2);
    for (int i = one_in(3) ? integer(1, 70) : 0; i > 0; --i)
      params.logit_bias.emplace_back(integer(0, num_ids + 5), number(-5, 5));
    for (int i = one_in(3) ? integer(1, 5) : 0; i > 0; --i)
      params.stop_token_ids.push_back(integer(0, num_ids + 5));
    for (int i = one_in(3) ? integer(1, kMaxLogprobIds) : 0; i > 0; --i)
      params.logprob_ids.push_back(integer(0, num_ids + 5));
    params.min_tokens = integer(0, 10);
    return params;
  }
  std::vector<Trigger> random_triggers(int num_ids) {
    std::vector<Trigger> triggers(static_cast<size_t>(integer(0, 2)));
    for (Trigger& trigger : triggers) {
      if (one_in(2)) trigger.on_token = integer(0, num_ids - 1);
      if (one_in(2)) trigger.after_tokens = integer(0, 12);
      if (one_in(2)) trigger.unless_seen = {integer(0, num_ids - 1), 3};
      for (int i = integer(0, 3); i > 0; --i) trigger.forced_ids.push_back(integer(0, num_ids - 1));
      for (int i = integer(0, 3); i > 0; --i)
        trigger.one_of.push_back({integer(0, 1), integer(0, num_ids - 1)});
      trigger.repeats = one_in(2);
      trigger.holds_stop = one_in(4);
    }
    return triggers;
  }

  int start(const SamplingParams& params, const std::vector<Trigger>& triggers = {}) {
    reference_.start(params, triggers);
    return backend_.start(params, triggers);
  }

  void expect_same(const std::vector<int32_t>& slots, const std::vector<std::vector<float>>& rows,
                   int num_valid_tokens) {
    const auto expected = reference_.sample(slots, rows, num_valid_tokens);
    const auto got = backend_.sample(slots, rows, num_valid_tokens);
    for (size_t i = 0; i < got.size(); ++i) {
      SCOPED_TRACE(testing::Message() << "row " << i);
      ASSERT_EQ(got[i].id, expected[i].id);
      EXPECT_EQ(got[i].bad_numbers, expected[i].bad_numbers);
      EXPECT_NEAR(got[i].logprob, expected[i].logprob, kTolerance);
      EXPECT_EQ(got[i].top_ids, expected[i].top_ids);
      expect_near(got[i].top_logprobs, expected[i].top_logprobs);
      expect_near(got[i].id_logprobs, expected[i].id_logprobs);
    }
  }

  // -infinity, of an id without a token or of a logit that is too low, is near nothing but itself.
  static void expect_near(const std::vector<float>& got, const std::vector<float>& expected) {
    ASSERT_EQ(got.size(), expected.size());
    for (size_t i = 0; i < got.size(); ++i) {
      if (std::isinf(expected[i]))
        EXPECT_EQ(got[i], expected[i]);
      else
        EXPECT_NEAR(got[i], expected[i], kTolerance);
    }
  }

  std::mt19937_64 rng_{17};
  SampleHarness backend_;
  SampleHarness reference_{make_cpu_backend(2)};
};

// Sequences side by side for some steps, one of them with several rows a step.
TEST_F(SameAsCpuTest, RandomRequests) {
  for (int round = 0; round < 30; ++round) {
    SCOPED_TRACE(testing::Message() << "round " << round);
    const int num_ids = vocab_size(), num_valid = num_ids - integer(0, 4);
    std::vector<int32_t> slots;
    for (int i = integer(1, 6); i > 0; --i)
      slots.push_back(start(random_params(num_valid), random_triggers(num_valid)));
    slots.insert(slots.end(), 2, slots.back());
    for (int step = 0; step < 12; ++step) {
      std::vector<std::vector<float>> rows;
      for (size_t i = 0; i < slots.size(); ++i) rows.push_back(logits(num_ids, 2));
      if (one_in(8)) rows.front()[0] = NAN;
      expect_same(slots, rows, num_valid);
      if (HasFatalFailure()) return;
    }
  }
}

// Many of each value, so that top_k and top_p end among equals.
TEST_F(SameAsCpuTest, Ties) {
  for (int round = 0; round < 50; ++round) {
    SCOPED_TRACE(testing::Message() << "round " << round);
    const int size = one_in(2) ? integer(20, 120) : integer(1000, 5000);
    auto row = logits(size, 1);
    for (float& x : row) x = std::round(x);
    SamplingParams params{.top_p = number(0.05f, 1), .top_k = integer(1, size / 2), .seed = rng_()};
    if (one_in(3)) params.top_p = 1;
    if (one_in(3)) params.top_k = -1;
    params.num_logprobs = integer(0, 20);
    const int slot = start(params);
    for (int step = 0; step < 10; ++step) expect_same({slot}, {row}, static_cast<int>(row.size()));
    if (HasFatalFailure()) return;
  }
}

// A batch of every kind of request, with as many rows of each as it happens to have.
TEST_F(SameAsCpuTest, ManySlotsWithManyRows) {
  for (int round = 0; round < 4; ++round) {
    SCOPED_TRACE(testing::Message() << "round " << round);
    const int num_ids = vocab_size();
    std::vector<int32_t> slots;
    for (int i = 0; i < SampleHarness::kNumSlots; ++i)
      slots.insert(slots.end(), static_cast<size_t>(integer(1, 4)),
                   start(random_params(num_ids), random_triggers(num_ids)));
    for (int step = 0; step < 3; ++step) {
      std::vector<std::vector<float>> rows;
      for (size_t i = 0; i < slots.size(); ++i) rows.push_back(logits(num_ids, 2));
      rows[rng_() % rows.size()].back() = -INFINITY;
      expect_same(slots, rows, num_ids);
      if (HasFatalFailure()) return;
    }
  }
}

// Rows that begin and end anywhere, whatever ids without a token hold: fewer ids than parts of the
// row, or than fill them, or one more.
TEST_F(SameAsCpuTest, RowsOfAnyLength) {
  for (const int size : {1,   2,   3,   4,   5,    31,   33,   127,  128,  129,  255,
                         511, 512, 513, 517, 1023, 1024, 1025, 1537, 2047, 4095, 16'387}) {
    SCOPED_TRACE(testing::Message() << "size " << size);
    const std::vector<int32_t> slots = {
        start({.temperature = 0, .num_logprobs = std::min(size, 20)}),
        start({.temperature = 1, .seed = rng_(), .num_logprobs = 0}),
        start({.top_p = 0.95f, .seed = rng_()}),
        start({.top_p = 0.5f, .top_k = integer(1, size), .seed = rng_()}),
        start({.min_p = 0.1f, .seed = rng_(), .stop_token_ids = {size - 1, 0}, .min_tokens = 3}),
    };
    for (int step = 0; step < 4; ++step) {
      std::vector<std::vector<float>> rows;
      for (size_t i = 0; i < slots.size(); ++i) {
        rows.push_back(logits(size, 3));
        rows.back().resize(static_cast<size_t>(size + step), NAN);
      }
      expect_same(slots, rows, size);
      if (HasFatalFailure()) return;
    }
  }
}

// Where a filter has nothing to do, or leaves one id, or nearly all.
TEST_F(SameAsCpuTest, FiltersAtTheirBounds) {
  for (const int size : {5, 700, 20'000}) {
    const std::vector<SamplingParams> requests = {
        {.top_k = 1},
        {.top_k = size - 1},
        {.top_k = size},
        {.top_k = size + 1},
        {.top_p = 1e-7f},
        {.top_p = 0x1.fffffep-1f},
        {.min_p = 1},
        {.top_p = 0.5f, .top_k = 1, .min_p = 0.5f},
        {.temperature = 1e-5f, .top_p = 0.9f, .top_k = 40},
        {.temperature = 1e-5f},
        {.temperature = 1e4f},
        {.temperature = 100, .top_p = 0.3f},
    };
    for (SamplingParams params : requests) {
      SCOPED_TRACE(testing::Message()
                   << size << " ids, " << params.temperature << " " << params.top_p << " "
                   << params.top_k << " " << params.min_p);
      params.seed = rng_();
      const int slot = start(params);
      for (int step = 0; step < 3; ++step) expect_same({slot}, {logits(size, 4)}, size);
      if (HasFatalFailure()) return;
    }
  }
}

// The lowest id is what remains where nothing may be drawn; and numbers may be as large as they
// get.
TEST_F(SameAsCpuTest, NothingToDrawFrom) {
  for (const int size : {1, 3, 8, 150, 255}) {
    for (const float temperature : {0.0f, 1.0f}) {
      SCOPED_TRACE(testing::Message() << size << " ids, temperature " << temperature);
      SamplingParams params{.temperature = temperature, .top_p = 0.9f, .seed = rng_()};
      params.num_logprobs = std::min(size, 20);
      const std::vector<float> lowest(static_cast<size_t>(size), -FLT_MAX);
      expect_same({start(params)}, {lowest}, size);
      std::vector<float> highest = lowest;
      highest.back() = FLT_MAX;
      expect_same({start(params)}, {highest}, size);
      for (int id = 0; id < size; ++id) params.stop_token_ids.push_back(id);
      params.min_tokens = 2;
      const int masked = start(params);
      for (int step = 0; step < 3; ++step) expect_same({masked}, {logits(size, 2)}, size);
      if (HasFatalFailure()) return;
    }
  }
}

// The model's own size: the filters start with more than shared memory holds.
TEST_F(SameAsCpuTest, AWholeVocabulary) {
  constexpr int kVocab = 154'880, kValid = 154'856;
  const std::vector<SamplingParams> requests = {
      {.temperature = 0},
      {.temperature = 1},
      {.temperature = 1, .top_p = 0.95f},
      {.temperature = 0.7f, .top_p = 0.8f, .top_k = 20},
      {.temperature = 1, .top_k = 3000},
      {.temperature = 1, .top_p = 0.999f, .min_p = 0.05f},
  };
  const std::vector<float> equal(kVocab, 0.5f);
  for (SamplingParams params : requests) {
    SCOPED_TRACE(testing::Message() << params.temperature << " " << params.top_p << " "
                                    << params.top_k << " " << params.min_p);
    params.seed = rng_();
    params.num_logprobs = 20;
    params.logprob_ids = {kVocab - 1, kValid, kValid - 1, 0, 77'777};
    const int slot = start(params);
    for (int step = 0; step < 3; ++step) expect_same({slot}, {logits(kVocab, 4)}, kValid);
    expect_same({slot}, {equal}, kValid);
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace glint
