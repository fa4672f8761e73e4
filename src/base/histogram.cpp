#include "base/histogram.h"

#include <algorithm>
#include <cmath>

namespace glint {
namespace {

size_t bucket_of(std::span<const double> bounds, double value) {
  return static_cast<size_t>(std::ranges::lower_bound(bounds, value) - bounds.begin());
}

}  // namespace

void HistogramCounts::observe(double value) {
  ++counts[bucket_of(bounds, value)];
  sum += value;
}

void Histogram::observe(double value, uint64_t times) {
  value = std::max(0.0, value);
  counts_[bucket_of(bounds_, value)].fetch_add(times, std::memory_order_relaxed);
  const auto millionths = static_cast<uint64_t>(std::llround(value * 1e6));
  sum_millionths_.fetch_add(millionths * times, std::memory_order_release);
}

HistogramCounts Histogram::read() const {
  HistogramCounts copy{.bounds = bounds_};
  // First: what is in the sum has been counted, so that no sum is read without its count.
  copy.sum = static_cast<double>(sum_millionths_.load(std::memory_order_acquire)) / 1e6;
  for (size_t i = 0; i <= bounds_.size(); ++i)
    copy.counts[i] = counts_[i].load(std::memory_order_relaxed);
  return copy;
}

}  // namespace glint
