#include "backend/cuda/group.cuh"

namespace glint::cuda {
namespace {

// counts [gridDim.x, num_experts]: of each block's pairs.
__global__ void __launch_bounds__(kGroupThreads)
    count_pairs(const int32_t* expert_ids, int num_pairs, int num_experts, int* counts) {
  __shared__ PairGroups<>::Shared shared;
  let_next_start();
  wait_for_previous();
  const int first = static_cast<int>(blockIdx.x) * kGroupPairs;
  PairGroups<> groups(shared, num_experts);
  groups.count(expert_ids + first, min(num_pairs - first, kGroupPairs));
  const int e = static_cast<int>(threadIdx.x);
  if (e < num_experts) counts[blockIdx.x * num_experts + e] = shared.total[e];
}

__global__ void __launch_bounds__(kGroupThreads)
    group_pairs(const int32_t* expert_ids, int num_pairs, int num_experts, const int* counts,
                int32_t* begin, int32_t* pairs) {
  __shared__ PairGroups<>::Shared shared;
  __shared__ int before[kMostExperts];  // in the blocks before
  let_next_start();
  wait_for_previous();
  const int first = static_cast<int>(blockIdx.x) * kGroupPairs;
  PairGroups<> groups(shared, num_experts);
  groups.count(expert_ids + first, min(num_pairs - first, kGroupPairs));
  const int e = static_cast<int>(threadIdx.x);
  if (e < num_experts) {
    int sum = 0;
    for (unsigned block = 0; block < gridDim.x; ++block) {
      if (block == blockIdx.x) before[e] = sum;
      sum += counts[block * num_experts + e];
    }
    shared.total[e] = sum;
  }
  __syncthreads();
  groups.begin_from(shared.total);
  if (blockIdx.x == 0 && e <= num_experts) begin[e] = shared.begin[e];
  groups.place(first, pairs, [&](int id) { return shared.begin[id] + before[id]; });
}

}  // namespace

size_t group_counts_size(int num_pairs, int num_experts) {
  return static_cast<size_t>(blocks_for(num_pairs, kGroupPairs)) * static_cast<size_t>(num_experts);
}

void group_by_expert(cudaStream_t stream, const Routing& routing, int num_experts, int* counts) {
  const int pairs = routing.num_tokens * routing.experts_per_row;
  const unsigned blocks = blocks_for(pairs, kGroupPairs);
  launch_early(stream, blocks, kGroupThreads, 0, count_pairs, routing.expert_ids, pairs,
               num_experts, counts);
  launch_early(stream, blocks, kGroupThreads, 0, group_pairs, routing.expert_ids, pairs,
               num_experts, counts, routing.expert_begin, routing.expert_pairs);
}

}  // namespace glint::cuda
