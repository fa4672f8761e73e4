#include "api/latency.h"

#include <algorithm>

namespace glint {

void Histogram::observe(double seconds) {
  const auto it = std::lower_bound(bounds_s_.begin(), bounds_s_.end(), seconds);
  const auto bucket = static_cast<size_t>(it - bounds_s_.begin());
  counts_[bucket].fetch_add(1, std::memory_order_relaxed);
  sum_us_.fetch_add(static_cast<uint64_t>(std::max(0.0, seconds) * 1e6), std::memory_order_relaxed);
}

}  // namespace glint
