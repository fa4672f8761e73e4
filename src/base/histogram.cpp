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
  sum_millionths_.fetch_add(millionths * times, std::memory_order_relaxed);
}

HistogramCounts Histogram::read() const {
  HistogramCounts copy{.bounds = bounds_};
  for (size_t i = 0; i <= bounds_.size(); ++i)
    copy.counts[i] = counts_[i].load(std::memory_order_relaxed);
  copy.sum = static_cast<double>(sum_millionths_.load(std::memory_order_relaxed)) / 1e6;
  return copy;
}

}  // namespace glint
