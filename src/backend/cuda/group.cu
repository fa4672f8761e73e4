#include "backend/cuda/group.cuh"

namespace glint::cuda {
namespace {

constexpr int kThreads = 1024;
constexpr int kFewPairs = kThreads;  // one for a thread
constexpr int kMostExperts = 256;

// In one thread: counts [num_experts] to where each expert begins.
__device__ void begins_of(const int* count, int num_experts, int32_t* begin) {
  int sum = 0;
  for (int e = 0; e < num_experts; ++e) {
    begin[e] = sum;
    sum += count[e];
  }
  begin[num_experts] = sum;
}

// One block does it all: a pair's place is how many before it chose the same expert.
__global__ void group_few(const int32_t* expert_ids, int num_pairs, int num_experts, int32_t* begin,
                          int32_t* pairs) {
  __shared__ int count[kMostExperts];
  __shared__ int32_t first[kMostExperts + 1];
  __shared__ int32_t ids[kFewPairs];
  let_next_start();
  const int thread = static_cast<int>(threadIdx.x);
  if (thread < num_experts) count[thread] = 0;
  wait_for_previous();
  if (thread < num_pairs) ids[thread] = expert_ids[thread];
  __syncthreads();
  if (thread < num_pairs) atomicAdd(&count[ids[thread]], 1);
  int before = 0;
  for (int i = 0; thread < num_pairs && i < thread; ++i) before += ids[i] == ids[thread];
  __syncthreads();
  if (thread == 0) begins_of(count, num_experts, first);
  __syncthreads();
  if (thread <= num_experts) begin[thread] = first[thread];
  if (thread < num_pairs) pairs[first[ids[thread]] + before] = thread;
}

__global__ void count_pairs(const int32_t* expert_ids, int num_pairs, int num_experts,
                            int32_t* begin) {
  __shared__ int count[kMostExperts];
  let_next_start();
  const int thread = static_cast<int>(threadIdx.x);
  if (thread < num_experts) count[thread] = 0;
  wait_for_previous();
  __syncthreads();
  for (int i = thread; i < num_pairs; i += kThreads) atomicAdd(&count[expert_ids[i]], 1);
  __syncthreads();
  if (thread == 0) begins_of(count, num_experts, begin);
}

// pairs[begin[e] ...] = those that chose expert e, ascending. One block an expert.
__global__ void group_many(const int32_t* expert_ids, int num_pairs, const int32_t* begin,
                           int32_t* pairs) {
  __shared__ int warp_count[kThreads / kWarp];
  let_next_start();
  wait_for_previous();
  const auto expert = static_cast<int32_t>(blockIdx.x);
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  int next = begin[expert];
  for (int first = 0; first < num_pairs; first += kThreads) {
    const int pair = first + static_cast<int>(threadIdx.x);
    const bool mine = pair < num_pairs && expert_ids[pair] == expert;
    const unsigned lanes = __ballot_sync(~0u, mine);
    if (lane == 0) warp_count[warp] = __popc(lanes);
    __syncthreads();
    int before = next + __popc(lanes & ((1u << lane) - 1));
    for (int w = 0; w < kThreads / kWarp; ++w) {
      if (w < warp) before += warp_count[w];
      next += warp_count[w];
    }
    if (mine) pairs[before] = pair;
    __syncthreads();
  }
}

}  // namespace

void group_by_expert(cudaStream_t stream, const Routing& routing, int num_experts) {
  CHECK(num_experts <= kMostExperts, num_experts, " experts, the kernel takes ", kMostExperts);
  const int pairs = routing.num_tokens * routing.num_experts_per_tok;
  if (pairs <= kFewPairs) {
    launch_early(stream, 1, kThreads, 0, group_few, routing.expert_ids, pairs, num_experts,
                 routing.expert_begin, routing.expert_pairs);
    return;
  }
  launch_early(stream, 1, kThreads, 0, count_pairs, routing.expert_ids, pairs, num_experts,
               routing.expert_begin);
  launch_early(stream, static_cast<unsigned>(num_experts), kThreads, 0, group_many,
               routing.expert_ids, pairs, routing.expert_begin, routing.expert_pairs);
}

}  // namespace glint::cuda
