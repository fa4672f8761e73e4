#pragma once

// Counts of values at or below each of some bounds, and above all of them: a Prometheus histogram
// before its counts are summed up.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

namespace glint {

inline constexpr size_t kMaxHistogramBounds = 47;

// As it is read: plain, and one thread's.
struct HistogramCounts {
  std::span<const double> bounds{};                        // ascending; outlives this
  std::array<uint64_t, kMaxHistogramBounds + 1> counts{};  // [bounds.size()]: above all bounds
  double sum = 0;

  void observe(double value);
};

// Many threads observe, without a lock.
class Histogram {
 public:
  explicit constexpr Histogram(std::span<const double> bounds) : bounds_(bounds) {}

  void observe(double value) { observe(value, 1); }
  void observe(double value, uint64_t times);
  HistogramCounts read() const;

 private:
  std::span<const double> bounds_;
  std::array<std::atomic<uint64_t>, kMaxHistogramBounds + 1> counts_{};
  std::atomic<uint64_t> sum_millionths_ = 0;
};

}  // namespace glint
