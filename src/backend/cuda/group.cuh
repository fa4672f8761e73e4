#pragma once

// The rows of each expert from the experts of each row.

#include "backend/backend.h"
#include "backend/cuda/kernel.cuh"

namespace glint::cuda {

inline constexpr int kMostExperts = 256;
inline constexpr int kGroupThreads = 1024, kGroupWarps = kGroupThreads / kWarp;
inline constexpr int kGroupChunks = 2;                            // of 32 pairs, for each warp
inline constexpr int kGroupPairs = kGroupThreads * kGroupChunks;  // that one block orders

// Orders up to kWarps * kChunks * 32 pairs: which come before each in its expert's list. A block of
// kWarps warps, not fewer threads than experts.
template <int kWarps = kGroupWarps, int kChunks = kGroupChunks>
class PairGroups {
 public:
  struct Shared {
    int count[kWarps][kMostExperts];  // of each warp's pairs, then of those of warps before
    int total[kMostExperts];
    int begin[kMostExperts + 1];
  };

  __device__ PairGroups(Shared& shared, int num_experts)
      : shared_(shared), num_experts_(num_experts) {}

  // All threads. `ids` has `num_pairs`. Afterwards shared.total is known to all.
  __device__ void count(const int32_t* ids, int num_pairs) {
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
    int* mine = shared_.count[threadIdx.x / kWarp];
#pragma unroll 1
    for (int e = lane; e < num_experts_; e += kWarp) mine[e] = 0;
    __syncwarp();
#pragma unroll
    for (int chunk = 0; chunk < kChunks; ++chunk) {
      const int pair = pair_of(chunk);
      id_[chunk] = pair < num_pairs ? ids[pair] : -1;
      const unsigned same = __match_any_sync(~0u, id_[chunk]);
      const bool is_pair = id_[chunk] >= 0;
      rank_[chunk] = is_pair ? mine[id_[chunk]] + __popc(same & ((1u << lane) - 1)) : 0;
      __syncwarp();
      if (is_pair && (same >> lane) == 1) mine[id_[chunk]] = rank_[chunk] + 1;  // the last of them
      __syncwarp();
    }
    __syncthreads();
    const int e = static_cast<int>(threadIdx.x);
    if (e < num_experts_) {
      int before = 0;
      const int warps = (num_pairs + kChunks * kWarp - 1) / (kChunks * kWarp);
#pragma unroll 1
      for (int warp = 0; warp < warps; ++warp) {  // a later one has no pairs
        const int here = shared_.count[warp][e];
        shared_.count[warp][e] = before;
        before += here;
      }
      shared_.total[e] = before;
    }
    __syncthreads();
  }

  // All threads: shared.begin from the totals.
  __device__ void begin_from(const int* total) {
    if (threadIdx.x < kWarp) {
      constexpr int kEach = kMostExperts / kWarp;
      const int first = static_cast<int>(threadIdx.x) * kEach;
      int mine = 0;
#pragma unroll 1
      for (int e = first; e < min(first + kEach, num_experts_); ++e) mine += total[e];
      int sum = warp_prefix(mine) - mine;
#pragma unroll 1
      for (int e = first; e < min(first + kEach, num_experts_); ++e) {
        shared_.begin[e] = sum;
        sum += total[e];
      }
      if (threadIdx.x == kWarp - 1) shared_.begin[num_experts_] = sum;
    }
    __syncthreads();
  }

  // pairs[begin(e) + ...] = first_pair + i for the pairs i of count().
  template <typename Begin>
  __device__ void place(int first_pair, int32_t* pairs, Begin&& begin) const {
#pragma unroll
    for (int chunk = 0; chunk < kChunks; ++chunk) {
      const int id = id_[chunk];
      if (id < 0) continue;
      const int before = shared_.count[threadIdx.x / kWarp][id] + rank_[chunk];
      pairs[begin(id) + before] = first_pair + pair_of(chunk);
    }
  }

 private:
  // A warp has pairs side by side, so that a later warp's come later.
  __device__ static int pair_of(int chunk) {
    const int warp = static_cast<int>(threadIdx.x) / kWarp;
    return (warp * kChunks + chunk) * kWarp + static_cast<int>(threadIdx.x) % kWarp;
  }
  __device__ static int warp_prefix(int x) {
    for (int offset = 1; offset < kWarp; offset *= 2) {
      const int other = __shfl_up_sync(~0u, x, offset);
      if (static_cast<int>(threadIdx.x) % kWarp >= offset) x += other;
    }
    return x;
  }

  Shared& shared_;
  int num_experts_;
  int id_[kChunks], rank_[kChunks];
};

// Fills routing.expert_begin and expert_pairs from expert_ids. `counts` has room for
// group_counts_size() ints.
size_t group_counts_size(int num_pairs, int num_experts);
void group_by_expert(cudaStream_t stream, const Routing& routing, int num_experts, int* counts);

}  // namespace glint::cuda
