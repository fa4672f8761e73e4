#pragma once

// What the sample op does with a row of numbers by a whole block: visit, sum, find.
//
// Results do not depend on the order in which threads come: weights are summed as integers, of
// which 2^44 are a weight of 1. That is exact to 2^-45 a weight, where FP32 has 2^-25 of it, and
// 2^19 of them fit 64 bits.

#include <cooperative_groups.h>

#include "backend/cuda/kernel.cuh"

namespace glint::cuda {

inline constexpr int kSampleThreads = 1024;
inline constexpr int kSampleWarps = kSampleThreads / kWarp;
inline constexpr int kMostSampleIds = 1 << 19;
inline constexpr int kListBytes = kMostSampleIds / 8;  // of shared memory: one bit an id, or a list

__device__ inline int lane_index() { return static_cast<int>(threadIdx.x) % kWarp; }
__device__ inline int warp_index() { return static_cast<int>(threadIdx.x) / kWarp; }

// visit(i, x[i]) for i = first, first + step ... below end. What visit writes to x must be at i.
template <typename Visit>
__device__ void visit_range(const float* x, int first, int end, int step, Visit&& visit) {
  constexpr int kAhead = 8;  // loads on their way at once
  for (int at = first; at < end; at += kAhead * step) {
    float ahead[kAhead];
#pragma unroll
    for (int j = 0; j < kAhead; ++j) ahead[j] = at + j * step < end ? x[at + j * step] : 0.0f;
#pragma unroll
    for (int j = 0; j < kAhead; ++j)
      if (at + j * step < end) visit(at + j * step, ahead[j]);
  }
}

// visit(i, x[i]) for all i below n, each by one thread, ascending.
template <typename Visit>
__device__ void visit_all(const float* x, int n, Visit&& visit) {
  visit_range(x, static_cast<int>(threadIdx.x), n, kSampleThreads, visit);
}

// How many weights, and their sum in 2^-44.
struct Tally {
  uint64_t mass;
  uint64_t count;
};

__device__ inline uint64_t mass_of(float weight) { return __float2ull_rn(weight * 0x1p44f); }

__device__ inline Tally operator+(const Tally& a, const Tally& b) {
  return {a.mass + b.mass, a.count + b.count};
}
__device__ inline Tally tally_of(float weight) { return {mass_of(weight), 1}; }

__device__ inline uint64_t from_lane(uint64_t x, int offset) {
  return __shfl_xor_sync(~0u, x, offset);
}
__device__ inline Tally from_lane(const Tally& x, int offset) {
  return {from_lane(x.mass, offset), from_lane(x.count, offset)};
}

template <typename T, typename Combine>
__device__ T warp_combine(T x, Combine combine) {
  for (int offset = kWarp / 2; offset > 0; offset /= 2) x = combine(x, from_lane(x, offset));
  return x;
}

// Of all threads' x, in all threads. `combine` does not mind the order.
template <typename T, typename Combine>
__device__ T block_combine(T x, Combine combine) {
  __shared__ T parts[kSampleWarps];
  x = warp_combine(x, combine);
  __syncthreads();  // `parts` may still be read from a call before
  if (lane_index() == 0) parts[warp_index()] = x;
  __syncthreads();
  if (warp_index() == 0) {
    x = warp_combine(parts[lane_index()], combine);
    if (lane_index() == 0) parts[0] = x;
  }
  __syncthreads();
  return parts[0];
}

struct Plus {
  template <typename T>
  __device__ T operator()(const T& a, const T& b) const {
    return a + b;
  }
};
struct Max {
  __device__ uint64_t operator()(uint64_t a, uint64_t b) const { return a > b ? a : b; }
};

// A number and its id in one integer that is larger for larger numbers, of equals for lower ids.
// No number gives 0.
__device__ inline uint32_t ordered_bits(float x) {
  const uint32_t bits = __float_as_uint(x + 0.0f);  // -0 is as large as 0
  return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
}
__device__ inline uint64_t ranked(float x, int id) {
  return uint64_t{ordered_bits(x)} << 32 | (~0u - static_cast<uint32_t>(id));
}
__device__ inline int id_of(uint64_t rank) {
  return static_cast<int>(~0u - static_cast<uint32_t>(rank));
}
__device__ inline float number_of(uint64_t rank) {
  const uint32_t bits = static_cast<uint32_t>(rank >> 32);
  return __uint_as_float((bits & 0x80000000u) != 0 ? bits & 0x7fffffffu : ~bits);
}

// The largest bound that `k` of the block's threads reach with theirs, 0 if there are fewer
// threads. With each thread's largest number it is a bound that the k-th largest of all reaches,
// too.
__device__ inline uint32_t reached_by(uint32_t mine, int k) {
  uint64_t low = 0, high = uint64_t{1} << 32;
  while (high - low > 1) {
    const uint64_t middle = (low + high) / 2;
    if (__syncthreads_count(mine >= middle) >= k)
      low = middle;
    else
      high = middle;
  }
  return static_cast<uint32_t>(low);
}

// The first id at which the sum of value(0, x[0]) ... value(id, x[id]) exceeds `target`; the sum of
// all n does. Each round leaves one warp's part of the range.
template <typename Value>
__device__ int find_exceeding(const float* x, int n, uint64_t target, Value&& value) {
  __shared__ uint64_t sums[kSampleWarps];
  int begin = 0, end = n;
  while (end - begin > 1) {
    const int part = (end - begin + kSampleWarps - 1) / kSampleWarps;
    const int from = begin + warp_index() * part;
    uint64_t sum = 0;
    visit_range(x, from + lane_index(), min(from + part, end), kWarp,
                [&](int i, float number) { sum += value(i, number); });
    sum = warp_combine(sum, Plus{});
    __syncthreads();  // `sums` may still be read from the round before
    if (lane_index() == 0) sums[warp_index()] = sum;
    __syncthreads();
    int chosen = 0;
    while (chosen < kSampleWarps - 1 && sums[chosen] <= target) target -= sums[chosen++];
    begin = min(begin + chosen * part, end - 1);
    end = min(begin + part, end);
  }
  return begin;
}

// A list in shared memory that the threads of a block fill, in any order.
template <typename T>
struct BlockList {
  static constexpr int kCapacity = kListBytes / sizeof(T);
  T* items;
  int* size;  // may exceed kCapacity: what came after was dropped

  __device__ void clear() const {
    __syncthreads();  // it may still be read
    if (threadIdx.x == 0) *size = 0;
    __syncthreads();
  }
  // One atomic for the threads of a warp that come together.
  __device__ void append(const T& item) const {
    const auto together = cooperative_groups::coalesced_threads();
    int at = 0;
    if (together.thread_rank() == 0) at = atomicAdd(size, static_cast<int>(together.size()));
    at = together.shfl(at, 0) + static_cast<int>(together.thread_rank());
    if (at < kCapacity) items[at] = item;
  }
};

// A list over the block's dynamic shared memory, of which there are kListBytes. One at a time.
template <typename T>
__device__ BlockList<T> block_list() {
  extern __shared__ uint64_t list_memory[];
  __shared__ int size;
  return {reinterpret_cast<T*>(list_memory), &size};
}

}  // namespace glint::cuda
