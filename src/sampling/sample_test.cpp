// The sample op: what may come out, how often, and that nothing else in the batch matters.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <set>

#include "sampling/sample_harness.h"

namespace glint {
namespace {

using testing::ElementsAre;

std::vector<float> random_logits(int size, uint64_t seed) {
  std::mt19937_64 rng(seed);
  std::normal_distribution<float> normal(0, 2);
  std::vector<float> logits(static_cast<size_t>(size));
  for (float& x : logits) x = normal(rng);
  return logits;
}

// softmax(logits / temperature), in double.
std::vector<double> probabilities(const std::vector<float>& logits, double temperature) {
  std::vector<double> p;
  double sum = 0;
  for (const float x : logits) p.push_back(std::exp(x / temperature)), sum += p.back();
  for (double& x : p) x /= sum;
  return p;
}

std::set<TokenId> ids_drawn(SampleHarness& h, const SamplingParams& params,
                            const std::vector<float>& logits, int draws = 2000) {
  const int slot = h.start(params);
  const auto ids = h.draw(slot, logits, draws);
  return {ids.begin(), ids.end()};
}

// Pearson's statistic over cells that are expected at least 5 times.
double chi_square(const std::vector<TokenId>& ids, const std::vector<double>& p, int& cells) {
  std::vector<int> counts(p.size(), 0);
  for (const TokenId id : ids) ++counts[static_cast<size_t>(id)];
  double statistic = 0;
  cells = 0;
  for (size_t i = 0; i < p.size(); ++i) {
    const double expected = p[i] * static_cast<double>(ids.size());
    if (expected < 5) continue;
    ++cells;
    statistic += (counts[i] - expected) * (counts[i] - expected) / expected;
  }
  return statistic;
}

// A chi-square of k cells has mean k and deviation sqrt(2 k): five deviations are one seed in more
// than 10^5, and the seeds here are fixed.
TEST(SampleTest, DrawsFollowTheDistribution) {
  SampleHarness h;
  for (const float temperature : {0.5f, 1.0f, 2.0f}) {
    SCOPED_TRACE(temperature);
    const auto logits = random_logits(50, 1);
    const int slot = h.start({.temperature = temperature, .seed = 42});
    int cells = 0;
    const double statistic =
        chi_square(h.draw(slot, logits, 20000), probabilities(logits, temperature), cells);
    EXPECT_GT(cells, 10);
    EXPECT_LT(statistic, cells + 5 * std::sqrt(2.0 * cells));
  }
}

// Independent across seeds and choices too, at one position.
TEST(SampleTest, SeedsAndChoicesDrawIndependently) {
  SampleHarness h;
  const auto logits = random_logits(20, 2);
  std::vector<TokenId> by_seed, by_choice;
  for (int i = 0; i < 10000; ++i) {
    const int a = h.start({.seed = static_cast<uint64_t>(i)});
    const int b = h.start({.seed = 7, .choice = i});
    by_seed.push_back(h.sample(a, logits).id);
    by_choice.push_back(h.sample(b, logits).id);
  }
  int cells = 0;
  double statistic = chi_square(by_seed, probabilities(logits, 1), cells);
  EXPECT_LT(statistic, cells + 5 * std::sqrt(2.0 * cells));
  statistic = chi_square(by_choice, probabilities(logits, 1), cells);
  EXPECT_LT(statistic, cells + 5 * std::sqrt(2.0 * cells));
}

// The published vectors: Random123 1.09, kat_vectors, philox4x32 10.
TEST(SampleTest, PhiloxGivesItsPublishedNumbers) {
  EXPECT_THAT(philox4x32({0, 0, 0, 0}, 0),
              ElementsAre(0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u));
  EXPECT_THAT(philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, ~uint64_t{0}),
              ElementsAre(0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu));
}

TEST(SampleTest, GreedyTakesTheLargestAndTheLowestOfEquals) {
  SampleHarness h;
  const int slot = h.start({.temperature = 0});
  EXPECT_EQ(h.sample(slot, {1, 3, 2}).id, 1);
  EXPECT_EQ(h.sample(slot, {1, 3, 3}).id, 1);
  EXPECT_EQ(h.sample(slot, {5, 5, 5}).id, 0);
}

TEST(SampleTest, TopKKeepsKAndTheLowestOfEquals) {
  SampleHarness h;
  EXPECT_THAT(ids_drawn(h, {.top_k = 2}, {1, 3, 2, 0}), ElementsAre(1, 2));
  EXPECT_THAT(ids_drawn(h, {.top_k = 2}, {1, 1, 1, 1}), ElementsAre(0, 1));
  EXPECT_THAT(ids_drawn(h, {.top_k = 1}, {1, 3, 2, 0}), ElementsAre(1));
  EXPECT_THAT(ids_drawn(h, {.top_k = 9}, {1, 1, 1, 1}), ElementsAre(0, 1, 2, 3));
}

// Probabilities 0.5, 0.25, 0.15, 0.1.
TEST(SampleTest, TopPKeepsTheFewestThatReachIt) {
  SampleHarness h;
  const std::vector<float> logits = {std::log(0.25f), std::log(0.5f), std::log(0.1f),
                                     std::log(0.15f)};
  EXPECT_THAT(ids_drawn(h, {.top_p = 0.01f}, logits), ElementsAre(1));
  EXPECT_THAT(ids_drawn(h, {.top_p = 0.49f}, logits), ElementsAre(1));
  EXPECT_THAT(ids_drawn(h, {.top_p = 0.51f}, logits), ElementsAre(0, 1));
  EXPECT_THAT(ids_drawn(h, {.top_p = 0.76f}, logits), ElementsAre(0, 1, 3));
  EXPECT_THAT(ids_drawn(h, {.top_p = 1.0f}, logits), ElementsAre(0, 1, 2, 3));
  // Of what top_k left: 0.5 and 0.25 are 0.667 and 0.333.
  EXPECT_THAT(ids_drawn(h, {.top_p = 0.6f, .top_k = 2}, logits), ElementsAre(1));
}

// min_p is relative to the largest, after temperature.
TEST(SampleTest, MinPDropsWhatIsFarBelowTheLargest) {
  SampleHarness h;
  const std::vector<float> logits = {std::log(0.25f), std::log(0.5f), std::log(0.1f),
                                     std::log(0.15f)};
  EXPECT_THAT(ids_drawn(h, {.min_p = 0.49f}, logits), ElementsAre(0, 1));
  EXPECT_THAT(ids_drawn(h, {.min_p = 0.51f}, logits), ElementsAre(1));
  EXPECT_THAT(ids_drawn(h, {.min_p = 1.0f}, logits), ElementsAre(1));
  // At temperature 2 the ratios are square roots: 0.71, 0.45, 0.55.
  EXPECT_THAT(ids_drawn(h, {.temperature = 2, .min_p = 0.5f}, logits), ElementsAre(0, 1, 3));
}

// What the filters keep is drawn in the old proportions.
TEST(SampleTest, FilteredDrawsKeepTheirProportions) {
  SampleHarness h;
  const auto logits = random_logits(50, 3);
  const int slot = h.start({.top_p = 0.9f, .top_k = 20, .seed = 5});
  const auto ids = h.draw(slot, logits, 20000);
  const std::set<TokenId> kept(ids.begin(), ids.end());
  std::vector<double> p = probabilities(logits, 1);
  double sum = 0;
  for (const TokenId id : kept) sum += p[static_cast<size_t>(id)];
  for (size_t i = 0; i < p.size(); ++i)
    p[i] = kept.count(static_cast<TokenId>(i)) > 0 ? p[i] / sum : 0;
  int cells = 0;
  const double statistic = chi_square(ids, p, cells);
  EXPECT_LT(statistic, cells + 5 * std::sqrt(2.0 * cells));
}

// A naive reading of the formulas over many steps of one sequence.
TEST(SampleTest, PenaltiesAndBiasMatchANaiveReference) {
  SampleHarness h;
  SamplingParams params{.temperature = 0,
                        .frequency_penalty = 0.3f,
                        .presence_penalty = 0.2f,
                        .repetition_penalty = 1.2f,
                        .logit_bias = {{3, 1.5f}, {4, -2.0f}}};
  const int slot = h.start(params);
  std::map<TokenId, int> counts;
  for (int step = 0; step < 200; ++step) {
    auto logits = random_logits(12, static_cast<uint64_t>(step));
    const TokenId got = h.sample(slot, logits).id;
    logits[3] += 1.5f;
    logits[4] += -2.0f;
    for (const auto& [id, count] : counts) {
      float& x = logits[static_cast<size_t>(id)];
      x = x > 0 ? x / 1.2f : x * 1.2f;
      x -= static_cast<float>(count) * 0.3f + 0.2f;
    }
    const auto expected = std::max_element(logits.begin(), logits.end()) - logits.begin();
    ASSERT_EQ(got, expected) << "step " << step;
    ++counts[got];
  }
}

TEST(SampleTest, StopIdsAreMaskedBeforeMinTokens) {
  SampleHarness h;
  const int slot = h.start({.temperature = 0, .stop_token_ids = {1, 99}, .min_tokens = 2});
  EXPECT_THAT(h.draw(slot, {1, 3, 2}, 4), ElementsAre(2, 2, 1, 1));
}

TEST(SampleTest, IdsWithoutATokenAreNeverChosen) {
  SampleHarness h;
  for (const float temperature : {0.0f, 1.0f}) {
    const int slot =
        h.start({.temperature = temperature, .logit_bias = {{3, 50.0f}}, .num_logprobs = 3});
    const auto result = h.sample({slot}, {{1, 2, 90, 99}}, /*num_valid_tokens=*/2).front();
    EXPECT_LT(result.id, 2);
    EXPECT_NEAR(result.top_logprobs[0], -std::log1p(std::exp(-1.0)), 1e-6);  // one FP32 rounding
  }
}

// Of the model's own distribution: bias, penalties, temperature and filters do not change them.
TEST(SampleTest, LogprobsAreOfTheRawLogits) {
  SampleHarness h;
  const auto logits = random_logits(30, 4);
  const auto p = probabilities(logits, 1);
  const int slot = h.start({.temperature = 0.3f,
                            .top_p = 0.5f,
                            .frequency_penalty = 1,
                            .logit_bias = {{2, 5.0f}},
                            .seed = 3,
                            .num_logprobs = 5},
                           {}, {2, 2});
  const auto result = h.sample(slot, logits);
  // The sum is in double and exp and log in FP32: a few ulps of numbers below 16.
  EXPECT_NEAR(result.logprob, std::log(p[static_cast<size_t>(result.id)]), 4e-6);
  std::vector<TokenId> order(30);
  for (int i = 0; i < 30; ++i) order[static_cast<size_t>(i)] = i;
  std::stable_sort(order.begin(), order.end(), [&](TokenId a, TokenId b) {
    return logits[static_cast<size_t>(a)] > logits[static_cast<size_t>(b)];
  });
  order.resize(5);
  EXPECT_EQ(result.top_ids, order);
  for (size_t i = 0; i < 5; ++i)
    EXPECT_NEAR(result.top_logprobs[i], std::log(p[static_cast<size_t>(order[i])]), 4e-6);
}

// Of the same distribution, in the list's order, an id named twice twice; beside sequences with
// other lists or none.
TEST(SampleTest, LogprobsOfAskedIds) {
  SampleHarness h;
  const auto logits = random_logits(30, 5);
  const auto p = probabilities(logits, 1);
  const std::vector<TokenId> few = {7, 0, 29, 7};
  std::vector<TokenId> most;
  for (int i = 0; i < kMaxLogprobIds; ++i) most.push_back(i * 7 % 30);
  const auto asking = [&](int num_logprobs, const std::vector<TokenId>& ids) {
    return h.start({.temperature = 0.3f,
                    .logit_bias = {{7, 5.0f}},
                    .num_logprobs = num_logprobs,
                    .logprob_ids = ids});
  };
  const std::vector<int32_t> slots = {asking(0, few), asking(3, {}), asking(2, most),
                                      asking(-1, few)};
  const auto results = h.sample(slots, {logits, logits, logits, logits}, 30);
  const auto expect_of = [&](const SampleResult& result, const std::vector<TokenId>& ids) {
    ASSERT_EQ(result.id_logprobs.size(), ids.size());
    for (size_t i = 0; i < ids.size(); ++i)
      EXPECT_NEAR(result.id_logprobs[i], std::log(p[static_cast<size_t>(ids[i])]), 4e-6);
  };
  expect_of(results[0], few);
  expect_of(results[1], {});
  expect_of(results[2], most);
  expect_of(results[3], {});
  EXPECT_EQ(results[1].top_ids.size(), 3u);
  EXPECT_EQ(results[2].top_ids.size(), 2u);
}

// What can never be chosen has a probability of 0; no logit of it is read.
TEST(SampleTest, AnAskedIdWithoutATokenIsNeverChosen) {
  SampleHarness h;
  const int slot = h.start({.num_logprobs = 0, .logprob_ids = {3, 1, 99}});
  const auto result = h.sample({slot}, {{1, 2, 90, NAN}}, /*num_valid_tokens=*/2).front();
  EXPECT_THAT(result.id_logprobs,
              ElementsAre(-std::numeric_limits<float>::infinity(),
                          testing::FloatNear(-std::log1p(std::exp(-1.0f)), 1e-6f),
                          -std::numeric_limits<float>::infinity()));
}

TEST(SampleTest, NanAndInfinityAreReportedAndStayInTheirRow) {
  SampleHarness h;
  const float inf = std::numeric_limits<float>::infinity();
  const int a = h.start({.num_logprobs = 2}), b = h.start({}), c = h.start({}), d = h.start({});
  const auto results =
      h.sample({a, b, c, d}, {{1, NAN, 3}, {1, 2, 3}, {-inf, 2, 3}, {1, 2, NAN}}, 2);
  EXPECT_TRUE(results[0].bad_numbers);
  EXPECT_FALSE(results[1].bad_numbers);
  EXPECT_TRUE(results[2].bad_numbers);
  EXPECT_FALSE(results[3].bad_numbers) << "an id without a token may hold anything";
}

// The same sequence alone, among others in any order, and resumed after a retraction.
TEST(SampleTest, TokensDependOnTheSequenceAlone) {
  SampleHarness h;
  const SamplingParams params{.temperature = 0.9f,
                              .top_p = 0.95f,
                              .top_k = 30,
                              .frequency_penalty = 0.5f,
                              .repetition_penalty = 1.1f,
                              .seed = 11,
                              .choice = 3};
  constexpr int kSteps = 30;
  std::vector<TokenId> alone;
  const int slot = h.start(params);
  for (int step = 0; step < kSteps; ++step)
    alone.push_back(h.sample(slot, random_logits(60, static_cast<uint64_t>(step))).id);

  std::mt19937_64 rng(1);
  int again = h.start(params);
  std::vector<TokenId> batched;
  for (int step = 0; step < kSteps; ++step) {
    if (step % 7 == 3) again = h.start(params, {}, batched);
    std::vector<int32_t> slots;
    std::vector<std::vector<float>> rows;
    const size_t mine = rng() % 6;
    for (size_t i = 0; i < 6; ++i) {
      const int other = 8 + static_cast<int>(i);
      if (i != mine) h.reset(other, {.seed = rng()});
      slots.push_back(i == mine ? again : other);
      rows.push_back(random_logits(60, i == mine ? static_cast<uint64_t>(step) : rng()));
    }
    batched.push_back(h.sample(slots, rows, 60)[mine].id);
  }
  EXPECT_EQ(batched, alone);
}

// ---- triggers

TEST(SampleTriggerTest, TokenForcesWhatFollows) {
  SampleHarness h;
  const int slot = h.start({.temperature = 0}, {{.on_token = 2, .forced_ids = {0, 1}}});
  EXPECT_THAT(h.draw(slot, {1, 1, 9}, 5), ElementsAre(2, 0, 1, 2, 2)) << "once";
}

TEST(SampleTriggerTest, CountForcesUnlessTheTokenWasSeen) {
  SampleHarness h;
  const Trigger budget{.after_tokens = 3, .unless_seen = {0}, .forced_ids = {0}};
  const int slot = h.start({.temperature = 0}, {budget});
  EXPECT_THAT(h.draw(slot, {1, 1, 9}, 6), ElementsAre(2, 2, 2, 0, 2, 2));
  const int done = h.start({.temperature = 0}, {budget}, {0, 2});
  EXPECT_THAT(h.draw(done, {1, 1, 9}, 3), ElementsAre(2, 2, 2));
  const int at_once = h.start({.temperature = 0}, {{.after_tokens = 0, .forced_ids = {1}}});
  EXPECT_THAT(h.draw(at_once, {1, 1, 9}, 2), ElementsAre(1, 2));
}

TEST(SampleTriggerTest, ChoicesComeAfterTheForcedIdsAndAreDrawn) {
  SampleHarness h;
  const int slot = h.start({.temperature = 0, .stop_token_ids = {1}, .min_tokens = 9},
                           {{.on_token = 3, .forced_ids = {0}, .one_of = {{2}, {1}}}});
  EXPECT_THAT(h.draw(slot, {1, 5, 2, 9}, 4), ElementsAre(3, 0, 1, 3)) << "a stop id, too";
}

// A budget that forces </think>, and a call that </think> opens.
TEST(SampleTriggerTest, ForcedTokenFiresAnotherTrigger) {
  SampleHarness h;
  const int slot =
      h.start({.temperature = 0}, {{.after_tokens = 2, .unless_seen = {4}, .forced_ids = {4}},
                                   {.on_token = 4, .forced_ids = {0, 1}}});
  EXPECT_THAT(h.draw(slot, {1, 1, 9, 1, 1}, 6), ElementsAre(2, 2, 4, 0, 1, 2));
}

TEST(SampleTriggerTest, TheModelChoosesAmongSequencesIdById) {
  SampleHarness h;
  const std::vector<float> row = {0, 1, 2, 3, 9};
  const Trigger call{.on_token = 4, .one_of = {{0, 3, 1}, {0, 2, 2}, {1, 3}}};
  EXPECT_THAT(h.draw(h.start({.temperature = 0}, {call}), row, 5), ElementsAre(4, 1, 3, 4, 4));
  const int slot = h.start({.temperature = 0, .logit_bias = {{0, 2.0f}}}, {call});
  EXPECT_THAT(h.draw(slot, row, 5), ElementsAre(4, 0, 3, 1, 4));
}

TEST(SampleTriggerTest, ATokenSeenBeforeKeepsItFromFiring) {
  SampleHarness h;
  const Trigger call{.on_token = 2, .unless_seen = {0, 3}, .forced_ids = {1}};
  EXPECT_THAT(h.draw(h.start({.temperature = 0}, {call}), {1, 1, 9}, 3), ElementsAre(2, 1, 2));
  EXPECT_THAT(h.draw(h.start({.temperature = 0}, {call}, {3}), {1, 1, 9}, 2), ElementsAre(2, 2));
}

TEST(SampleTriggerTest, RepeatedOneFiresAtEveryToken) {
  SampleHarness h;
  const Trigger call{.on_token = 2, .forced_ids = {0}, .one_of = {{1, 0}}, .repeats = true};
  EXPECT_THAT(h.draw(h.start({.temperature = 0}, {call}), {1, 1, 9}, 9),
              ElementsAre(2, 0, 1, 0, 2, 0, 1, 0, 2));
}

// No end before the call that was asked for.
TEST(SampleTriggerTest, StopIdsAreHeldUntilItIsDone) {
  SampleHarness h;
  const Trigger call{.on_token = 2, .forced_ids = {0, 0}, .holds_stop = true};
  const int slot = h.start({.temperature = 0, .stop_token_ids = {1}}, {call});
  EXPECT_THAT(h.draw(slot, {3, 9, 2, 2.5}, 2), ElementsAre(0, 0)) << "1 is the likeliest";
  EXPECT_THAT(h.draw(slot, {0, 9, 2, 1}, 4), ElementsAre(2, 0, 0, 1));
}

// The budget's </think> is 4; a call that has begun, 3, ends the thinking as well.
TEST(SampleTriggerTest, NoBudgetOnceACallHasBegun) {
  SampleHarness h;
  const Trigger budget{.after_tokens = 3, .unless_seen = {4, 3}, .forced_ids = {4}};
  EXPECT_THAT(h.draw(h.start({.temperature = 0}, {budget}, {3, 2}), {1, 1, 9}, 3),
              ElementsAre(2, 2, 2));
}

// Retracted in the middle of forced tokens, and of a choice.
TEST(SampleTriggerTest, ResumesWhereItWas) {
  SampleHarness h;
  const std::vector<Trigger> triggers{{.on_token = 2, .forced_ids = {0, 1}}};
  const int slot = h.start({.temperature = 0}, triggers, {2, 0});
  EXPECT_THAT(h.draw(slot, {1, 1, 9}, 2), ElementsAre(1, 2));
  const std::vector<Trigger> choice{{.on_token = 2, .one_of = {{0, 1, 1}, {1, 0, 0}}}};
  EXPECT_THAT(h.draw(h.start({.temperature = 0}, choice, {2, 1}), {1, 1, 9}, 3),
              ElementsAre(0, 0, 2));
}

}  // namespace
}  // namespace glint
