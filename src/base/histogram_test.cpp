#include "base/histogram.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace glint {
namespace {

constexpr double kBounds[] = {0.001, 0.1, 1};

TEST(HistogramTest, ABoundBelongsToItsOwnBucket) {
  Histogram histogram(kBounds);
  for (const double value : {0.0, 0.001, 0.0011, 1.0, 7.0}) histogram.observe(value);
  histogram.observe(-3);  // a clock's rounding: as 0
  const HistogramCounts counts = histogram.read();
  EXPECT_EQ(counts.counts[0], 3u);
  EXPECT_EQ(counts.counts[1], 1u);
  EXPECT_EQ(counts.counts[2], 1u);
  EXPECT_EQ(counts.counts[3], 1u);
  EXPECT_DOUBLE_EQ(counts.sum, 8.0021);
}

TEST(HistogramTest, WholeNumbersSumUpExactly) {
  Histogram histogram(kBounds);
  histogram.observe(202752, 3);
  EXPECT_EQ(histogram.read().sum, 608256.0);
  EXPECT_EQ(histogram.read().counts[3], 3u);
}

TEST(HistogramTest, NoObservationOfAnyThreadIsLost) {
  Histogram histogram(kBounds);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int k = 0; k < 10000; ++k) histogram.observe(0.05);
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(histogram.read().counts[1], 40000u);
  EXPECT_DOUBLE_EQ(histogram.read().sum, 2000.0);
}

}  // namespace
}  // namespace glint
