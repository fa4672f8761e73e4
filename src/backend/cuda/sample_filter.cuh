#pragma once

// top_k, top_p and the likeliest ids of the sample op: the first numbers of a row in an order
// without equals (larger ones first, of equals lower ids) until they have enough of a measure.
//
// A radix search. Keys are cut into buckets, the measure is summed by bucket, and the bucket in
// which it is reached is cut in turn: 128 buckets a round, of which each block makes a histogram of
// its ids and all add them up. A round decides seven bits; it is over when a bucket holds one
// number or one key.
//
// The search does not depend on the order of threads: weights are summed as integers, of which 2^44
// are a weight of 1. That is exact to 2^-45 a weight, where FP32 has 2^-25 of it, and 2^19 of them
// fit 64 bits.

#include <climits>

#include "backend/cuda/sample_cluster.cuh"

namespace glint::cuda {

__device__ inline uint64_t mass_of(float weight) { return __float2ull_rn(weight * 0x1p44f); }

// Weights that round to no mass are taken for 0, so that what is kept can be drawn. Positive floats
// are ordered as their bits are.
inline constexpr float kNoMass = 0x1p-45f;
inline constexpr uint32_t kLeastWeight = 0x29000001, kLargestWeight = 0x3f800000;  // as bits

// A measure is key(), by which numbers are ordered, and of(key), what one of them counts: fewer
// than 2^24 times 2^unit_bits(key), which is the same for keys with the same upper nine bits.
struct CountOfLogits {
  static __device__ uint32_t key(float logit) { return ordered_bits(logit); }
  static __device__ uint64_t of(uint32_t) { return 1; }
  static __device__ int unit_bits(uint32_t) { return 0; }
};
struct CountOfWeights : CountOfLogits {
  static __device__ uint32_t key(float weight) { return __float_as_uint(weight); }
};
struct MassOfWeights {
  static __device__ uint32_t key(float weight) { return __float_as_uint(weight); }
  static __device__ uint64_t of(uint32_t key) { return mass_of(__uint_as_float(key)); }
  // From 2^-21 on, the last place of a weight is more than a unit of mass.
  static __device__ int unit_bits(uint32_t key) {
    return max(static_cast<int>(key >> 23) - (127 - 21), 0);
  }
};

struct Cut {
  uint32_t key = kLeastWeight;
  int last_id = INT_MAX;  // of those that have this key
  __device__ bool keeps(uint32_t its_key, int id) const {
    return its_key > key || (its_key == key && id <= last_id);
  }
};

// Keys from `lowest` to `largest`, in buckets of 2^shift that begin with the largest keys.
struct Buckets {
  uint32_t lowest, largest;
  int shift;

  __device__ Buckets(uint32_t lowest, uint32_t largest)
      : lowest(lowest), largest(largest), shift(max(0, 25 - std::countl_zero(largest - lowest))) {
    if (last() >= kTableSize) ++shift;  // they begin and end within one
  }
  __device__ bool has(uint32_t key) const { return key - lowest <= largest - lowest; }
  __device__ int of(uint32_t key) const {
    return static_cast<int>((largest >> shift) - (key >> shift));
  }
  __device__ int last() const { return of(lowest); }
  __device__ uint32_t first_key(int bucket) const {
    return ((largest >> shift) - static_cast<uint32_t>(bucket)) << shift;
  }
  __device__ Buckets within(int bucket) const {
    const uint32_t first = first_key(bucket);
    return {max(lowest, first), min(largest, first + ((1u << shift) - 1))};
  }
};

// In shared memory.
struct Histogram {
  static constexpr int kLowBits = 12;  // so that a block's sum of either part fits 32 bits
  static_assert((uint64_t{kMostSampleIds / kSampleBlocks} << kLowBits) - 1 <= UINT_MAX);
  uint32_t low[kTableSize], high[kTableSize];  // of units, by bucket
  struct Found {
    int bucket;
    uint64_t above, sum;  // of the measure: in the buckets before it, and in this one
  } found;
};

template <typename Measure>
__device__ void fill(Histogram& histogram, const RowPart& row, const Cut& kept,
                     const Buckets& buckets) {
  row.visit([&](int id, float number) {
    const uint32_t key = Measure::key(number);
    if (!buckets.has(key) || !kept.keeps(key, id)) return;
    const auto units = static_cast<uint32_t>(Measure::of(key) >> Measure::unit_bits(key));
    const int bucket = buckets.of(key);
    atomicAdd(&histogram.low[bucket], units % (1u << Histogram::kLowBits));
    if (units >> Histogram::kLowBits != 0)
      atomicAdd(&histogram.high[bucket], units >> Histogram::kLowBits);
  });
}

// By one warp: the bucket in which the sum reaches `wanted`, 1 or more; the last one if none does.
template <typename Measure>
__device__ void find_bucket(const Exchange::Table* tables, const Buckets& buckets, uint64_t above,
                            uint64_t wanted, Histogram::Found& found) {
  constexpr int kEach = kTableSize / kWarp;
  const int first = lane_index() * kEach;
  uint64_t sums[kEach] = {}, sum = 0;
#pragma unroll 4
  for (int block = 0; block < kSampleBlocks; ++block)
#pragma unroll
    for (int j = 0; j < kEach; ++j) sums[j] += tables[block][first + j];
#pragma unroll
  for (int j = 0; j < kEach; ++j) {
    if (first + j <= buckets.last()) sums[j] <<= Measure::unit_bits(buckets.first_key(first + j));
    sum += sums[j];
  }
  above += warp_prefix_sum(sum) - sum;
#pragma unroll
  for (int j = 0; j < kEach; ++j) {
    const bool is_reached = above + sums[j] >= wanted || first + j == buckets.last();
    if (above < wanted && is_reached) found = {first + j, above, sums[j]};
    above += sums[j];
  }
}

// The id of the `wanted`th of those that `cut` keeps and that have its key.
template <typename Measure>
__device__ int find_among_equals(SampleCluster& cluster, const RowPart& row, const Cut& cut,
                                 uint64_t wanted) {
  const auto is_one = [&](int id, float number) -> uint64_t {
    return Measure::key(number) == cut.key && id <= cut.last_id ? 1 : 0;
  };
  uint64_t count = 0;
  row.visit([&](int id, float number) { count += is_one(id, number); });
  const uint64_t* const counts = cluster.share(Plus{}.of_warp(count));
  uint64_t target = wanted - 1;
  const int part = find_exceeding(kSampleParts, target, [&](int i) { return counts[i]; });
  uint64_t id = 0;
  if (part == cluster.part()) {
    const auto value = [&](int i) { return is_one(row.first + i, row.x[i]); };
    id = static_cast<uint64_t>(row.first + find_exceeding(row.size, target, value));
  }
  return static_cast<int>(cluster.combine(id, Max{}));
}

// The first of what `kept` keeps that have `wanted` of the measure: 1 ... what all of those have.
// The last of them has a key in [lowest, largest], and none has a larger one.
template <typename Measure>
__device__ Cut keep_first(SampleCluster& cluster, Histogram& histogram, const RowPart& row,
                          const Cut& kept, uint64_t wanted, uint32_t lowest, uint32_t largest) {
  Buckets buckets(max(lowest, kept.key), largest);
  uint64_t above = 0, sum, each;
  bool is_decided;
  do {
    if (threadIdx.x < kTableSize) histogram.low[threadIdx.x] = histogram.high[threadIdx.x] = 0;
    __syncthreads();
    fill<Measure>(histogram, row, kept, buckets);
    __syncthreads();
    const auto* const tables = cluster.share_table([&](int i) {
      return (uint64_t{histogram.high[i]} << Histogram::kLowBits) + histogram.low[i];
    });
    if (warp_index() == 0) find_bucket<Measure>(tables, buckets, above, wanted, histogram.found);
    __syncthreads();
    above = histogram.found.above;
    sum = histogram.found.sum;
    const bool has_one_key = buckets.shift == 0;
    buckets = buckets.within(histogram.found.bucket);
    // What a number in the bucket counts at least: with less than two of that there is but one.
    each = Measure::of(buckets.lowest);
    is_decided = has_one_key || sum < 2 * each;
  } while (!is_decided);
  Cut cut{buckets.lowest, buckets.lowest == kept.key ? kept.last_id : INT_MAX};
  const uint64_t ties = (wanted - above + each - 1) / each;
  if (ties < sum / each) cut.last_id = find_among_equals<Measure>(cluster, row, cut, ties);
  return cut;
}

}  // namespace glint::cuda
