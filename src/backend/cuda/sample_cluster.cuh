#pragma once

// A row of the sample op, spread over a cluster of blocks: which warp has which ids, how warps and
// blocks tell each other what they found, and where a running sum passes a target.
//
//   block 0                     block 1                     ...  block 7
//   part 0 | 1 | 2 | ... | 15   part 16 | 17 | ... | 31     ...  112 | ... | 127
//
// A part is a warp's: neighbouring ids, in the block's shared memory. So sums by part, in order,
// are sums by id, and an id is found by its part first. What is shared is known to all threads of
// the cluster and is the same for all: they take the same way through the kernel, barriers
// included.

#include <bit>

#include "backend/cuda/kernel.cuh"
#include "backend/cuda/ptx.cuh"

namespace glint::cuda {

inline constexpr int kSampleBlocks = 8;                                         // of a cluster
inline constexpr int kSampleWarps = 16, kSampleThreads = kSampleWarps * kWarp;  // of a block
inline constexpr int kSampleParts = kSampleBlocks * kSampleWarps;               // of a row
inline constexpr int kMostSampleIds = 1 << 18;  // what shared memory has room for

__device__ inline int lane_index() { return static_cast<int>(threadIdx.x) % kWarp; }
__device__ inline int warp_index() { return static_cast<int>(threadIdx.x) / kWarp; }

constexpr int rounded_up(int n, int step) { return (n + step - 1) / step * step; }
// Of a row of n: chunks of four.
constexpr int ids_of_part(int n) { return rounded_up(n, 4 * kSampleParts) / kSampleParts; }

// ---- a warp's ids

struct RowPart {
  float* x;   // [size], in shared memory: x[i] is of id first + i
  int first;  // id
  int size;   // whole chunks, of which the row's last may end behind it; 0 behind that

  // `of_block` has room for all parts of the block.
  __device__ RowPart(float* of_block, int n, int part)
      : x(of_block + warp_index() * ids_of_part(n)),
        first(part * ids_of_part(n)),
        size(max(0, min(ids_of_part(n), rounded_up(n, 4) - first))) {}

  // From logits[0, n), where `in_chunks` says that chunks are aligned and may be read to their end.
  __device__ void start_loading(const float* logits, int n, bool in_chunks) const {
    if (in_chunks) {
      for (int i = 4 * lane_index(); i < size; i += 4 * kWarp)
        copy_16_bytes(shared_address(x + i), logits + first + i);
      commit_copies();
    } else {
      for (int i = lane_index(); i < min(size, n - first); i += kWarp) x[i] = logits[first + i];
    }
  }
  __device__ void finish_loading() const {
    wait_copies<0>();
    __syncwarp();
  }
  // What lies behind the row's end becomes x.
  __device__ void fill_up(int n, float filler) const {
    const int i = size - 4 + lane_index();
    if (size > 0 && i < size && first + i >= n) x[i] = filler;
    __syncwarp();
  }

  // visit(id, number) for all, each by one lane, ascending.
  template <typename Visit>
  __device__ void visit(Visit&& visit) const {
#pragma unroll 1
    for (int i = 2 * lane_index(); i < size; i += 2 * kWarp) {
      const float2 two = *reinterpret_cast<const float2*>(x + i);
      visit(first + i, two.x);
      visit(first + i + 1, two.y);
    }
  }
  // The same, and each number becomes changed(id, number).
  template <typename Changed>
  __device__ void change(Changed&& changed) const {
#pragma unroll 1
    for (int i = 2 * lane_index(); i < size; i += 2 * kWarp) {
      float2* const at = reinterpret_cast<float2*>(x + i);
      const float2 two = *at;
      *at = {changed(first + i, two.x), changed(first + i + 1, two.y)};
    }
    __syncwarp();
  }
};

// ---- by a warp

// Ways to combine two numbers, and those of all lanes: in all lanes.
struct Plus {
  __device__ uint64_t operator()(uint64_t a, uint64_t b) const { return a + b; }
  // In pieces of 27 bits, whose sums fit 32.
  __device__ uint64_t of_warp(uint64_t x) const {
    constexpr uint32_t kPiece = (1u << 27) - 1;
    const uint64_t low = __reduce_add_sync(~0u, static_cast<uint32_t>(x) & kPiece);
    const uint64_t middle = __reduce_add_sync(~0u, static_cast<uint32_t>(x >> 27) & kPiece);
    const uint64_t high = __reduce_add_sync(~0u, static_cast<uint32_t>(x >> 54));
    return low + (middle << 27) + (high << 54);
  }
};
struct Max {
  __device__ uint64_t operator()(uint64_t a, uint64_t b) const { return a > b ? a : b; }
  __device__ uint64_t of_warp(uint64_t x) const {
    const auto upper = static_cast<uint32_t>(x >> 32);
    const uint32_t largest = __reduce_max_sync(~0u, upper);
    const auto lower = upper == largest ? static_cast<uint32_t>(x) : 0u;
    return uint64_t{largest} << 32 | __reduce_max_sync(~0u, lower);
  }
};
struct Min {
  __device__ uint64_t operator()(uint64_t a, uint64_t b) const { return a < b ? a : b; }
  __device__ uint64_t of_warp(uint64_t x) const { return ~Max{}.of_warp(~x); }
};

// Of all parts' value(part), in all lanes.
template <typename Value, typename Combine>
__device__ uint64_t combine_parts(Value&& value, Combine combine) {
  uint64_t x = value(lane_index());
  for (int part = lane_index() + kWarp; part < kSampleParts; part += kWarp)
    x = combine(x, value(part));
  return combine.of_warp(x);
}
template <typename Combine>
__device__ uint64_t combine_parts(const uint64_t* of_parts, Combine combine) {
  return combine_parts([&](int part) { return of_parts[part]; }, combine);
}

// The sum of x up to this lane's.
__device__ inline uint64_t warp_prefix_sum(uint64_t x) {
  for (int offset = 1; offset < kWarp; offset *= 2) {
    const uint64_t before = __shfl_up_sync(~0u, x, offset);
    if (lane_index() >= offset) x += before;
  }
  return x;
}

// The first i of [0, size) at which the sum of value(0) ... value(i) exceeds `target`, from which
// the sum before i is taken; the sum of all does exceed it. Each round leaves one lane's share.
template <typename Value>
__device__ int find_exceeding(int size, uint64_t& target, Value&& value) {
  int begin = 0, end = size;
#pragma unroll 1
  while (end - begin > 1) {
    const int share = (end - begin + kWarp - 1) / kWarp;
    const int from = begin + lane_index() * share;
    uint64_t sum = 0;
#pragma unroll 4
    for (int i = from; i < min(from + share, end); ++i) sum += value(i);
    const uint64_t up_to = warp_prefix_sum(sum);
    const int lane = __ffs(static_cast<int>(__ballot_sync(~0u, up_to > target))) - 1;
    target -= __shfl_sync(~0u, up_to - sum, lane);
    begin += lane * share;
    end = min(begin + share, end);
  }
  return begin;
}

// ---- by the cluster

inline constexpr int kTableSize = 128;  // numbers that a block shares at once

// The blocks' messages, in shared memory: two places with a barrier each, in turn. A place is free
// when one sends to it: the sender has received the exchange between, to which every warp sends
// only when it is through with the exchange before.
struct Exchange {
  using Table = uint64_t[kTableSize];
  alignas(16) Table tables[2][kSampleBlocks];
  Barrier received[2];

  // By one thread, before the cluster meets.
  __device__ void init() {
    for (Barrier& barrier : received) barrier.init(1);
    fence_barrier_init();
  }
};

struct SampleCluster {
  Exchange& exchange;
  int block = cluster_rank();
  unsigned num_exchanges = 0;

  __device__ int part() const { return block * kSampleWarps + warp_index(); }
  __device__ bool is_first_thread() const { return block == 0 && threadIdx.x == 0; }

  // The value of each warp by part, until the next exchange.
  template <typename T>
  __device__ const T* share(const T& of_warp) {
    static_assert(sizeof(T) * kSampleParts <= sizeof(exchange.tables[0]));
    T* const all = reinterpret_cast<T*>(tables());
    if (lane_index() < kSampleBlocks) send(&all[part()], lane_index(), of_warp);
    receive(kSampleParts * sizeof(T));
    return all;
  }
  // value(0) ... value(kTableSize - 1) of each block, likewise; [kSampleBlocks]. Two warps send to
  // a block, so the block's threads meet before it; others may still call value() behind it.
  template <typename Value>
  __device__ const Exchange::Table* share_table(Value&& value) {
    constexpr int kPairs = kTableSize / 2;
    static_assert(kSampleThreads == kPairs * kSampleBlocks, "a pair for a block each");
    Exchange::Table* const all = tables();
    const int i = static_cast<int>(threadIdx.x) % kPairs * 2;
    send(reinterpret_cast<ulonglong2*>(&all[block][i]), static_cast<int>(threadIdx.x) / kPairs,
         ulonglong2{value(i), value(i + 1)});
    receive(sizeof(exchange.tables[0]));
    return all;
  }
  // Of all threads' x.
  template <typename Combine>
  __device__ uint64_t combine(uint64_t x, Combine combine) {
    return combine_parts(share(combine.of_warp(x)), combine);
  }

  __device__ Exchange::Table* tables() const { return exchange.tables[num_exchanges % 2]; }
  __device__ Barrier& received() const { return exchange.received[num_exchanges % 2]; }
  // x to the same place in block `to`.
  template <typename T>
  __device__ void send(const T* at, int to, const T& x) const {
    const uint32_t place = address_in_block(shared_address(at), to);
    const uint32_t barrier = address_in_block(shared_address(&received()), to);
    if constexpr (sizeof(T) == 8)
      send_8_bytes(place, std::bit_cast<uint64_t>(x), barrier);
    else
      send_16_bytes(place, std::bit_cast<uint4>(x), barrier);
  }
  __device__ void receive(size_t bytes) {
    if (threadIdx.x == 0) received().arrive_expecting(static_cast<int>(bytes));
    received().wait_cluster(num_exchanges / 2 % 2);
    ++num_exchanges;
  }
};

// ---- numbers

// A key that is larger for larger numbers.
__device__ inline uint32_t ordered_bits(float x) {
  const uint32_t bits = __float_as_uint(x + 0.0f);  // -0 is as large as 0
  return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
}
// A number and its id in one integer that is larger for larger numbers, of equals for lower ids.
// No number gives 0, none that is finite ~0.
__device__ inline uint64_t ranked(float x, int id) {
  return uint64_t{ordered_bits(x)} << 32 | (~0u - static_cast<uint32_t>(id));
}
__device__ inline int id_of(uint64_t rank) {
  return static_cast<int>(~0u - static_cast<uint32_t>(rank));
}
__device__ inline uint32_t key_of(uint64_t rank) { return static_cast<uint32_t>(rank >> 32); }
__device__ inline float number_of(uint64_t rank) {
  const uint32_t bits = key_of(rank);
  return __uint_as_float((bits & 0x80000000u) != 0 ? bits & 0x7fffffffu : ~bits);
}

}  // namespace glint::cuda
