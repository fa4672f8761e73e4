#include "api/repetition.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace glint {
namespace {

// After how many tokens a repetition is found; 0: never.
size_t found_after(const RepetitionLimits& limits, const std::vector<TokenId>& ids) {
  RepetitionDetector detector(limits);
  for (size_t i = 0; i < ids.size(); ++i)
    if (detector.append(ids[i])) return i + 1;
  return 0;
}

TEST(RepetitionTest, ABlockIsFoundWhenItHasComeOftenEnough) {
  const RepetitionLimits limits{.max_pattern_size = 3, .min_count = 3};
  EXPECT_EQ(found_after(limits, {9, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1}), 10u);
  EXPECT_EQ(found_after(limits, {9, 1, 1, 1}), 4u) << "of one token";
  EXPECT_EQ(found_after(limits, {1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4}), 0u) << "four are too many";
  EXPECT_EQ(found_after(limits, {1, 2, 3, 1, 2, 3, 9, 1, 2, 3}), 0u) << "not in a row";
}

TEST(RepetitionTest, SmallBlocksMayRepeat) {
  const RepetitionLimits limits{.max_pattern_size = 3, .min_pattern_size = 2, .min_count = 2};
  EXPECT_EQ(found_after(limits, {1, 1, 1}), 0u);
  EXPECT_EQ(found_after(limits, {1, 1, 1, 1}), 4u) << "two blocks of two";
}

TEST(RepetitionTest, WithoutASizeNothingIsFound) {
  EXPECT_EQ(found_after({}, {1, 1, 1, 1, 1, 1}), 0u);
}

// The tail compared with each block, as the definition has it.
size_t naive(const RepetitionLimits& limits, const std::vector<TokenId>& ids) {
  for (size_t end = 1; end <= ids.size(); ++end) {
    for (int pattern = limits.min_pattern_size; pattern <= limits.max_pattern_size; ++pattern) {
      const auto size = static_cast<size_t>(pattern);
      const size_t length = size * static_cast<size_t>(limits.min_count);
      if (length > end) continue;
      const auto begin = ids.begin() + static_cast<ptrdiff_t>(end - length);
      if (std::equal(begin, ids.begin() + static_cast<ptrdiff_t>(end - size), begin + pattern))
        return end;
    }
  }
  return 0;
}

TEST(RepetitionTest, AgreesWithTheDefinitionOnRandomTokens) {
  std::mt19937 rng(3);
  size_t num_found = 0;
  for (int round = 0; round < 2000; ++round) {
    const int max = 1 + static_cast<int>(rng() % 6);
    const RepetitionLimits limits{.max_pattern_size = max,
                                  .min_pattern_size = 1 + static_cast<int>(rng() % 2),
                                  .min_count = 2 + static_cast<int>(rng() % 3)};
    std::vector<TokenId> ids(1 + rng() % 60);
    for (TokenId& id : ids) id = static_cast<TokenId>(rng() % 3);
    ASSERT_EQ(found_after(limits, ids), naive(limits, ids)) << "round " << round;
    num_found += naive(limits, ids) > 0;
  }
  EXPECT_GT(num_found, 500u);
  EXPECT_LT(num_found, 2000u);
}

}  // namespace
}  // namespace glint
