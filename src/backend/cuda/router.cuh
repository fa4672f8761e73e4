#pragma once

// The choice of a row's experts by one warp.

#include <cmath>

#include "backend/backend.h"
#include "backend/cuda/kernel.cuh"

namespace glint::cuda {

__device__ inline float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

// Larger for what comes first; NaN counts as smallest, so that a bad row still names experts that
// exist.
__device__ inline unsigned order_key(float x) {
  if (isnan(x)) x = -INFINITY;
  const unsigned bits = __float_as_uint(x);
  return (bits >> 31) != 0 ? ~bits : bits | 0x80000000u;
}

// A row's logits of experts l, l + 32, ... in lane l of a warp.
template <int kPerLane>
struct LaneLogits {
  float of[kPerLane];

  // logit(e) for the experts of this lane.
  template <typename F>
  __device__ LaneLogits(int num_experts, F&& logit) {
#pragma unroll
    for (int i = 0; i < kPerLane; ++i) {
      const int e = static_cast<int>(threadIdx.x) % kWarp + i * kWarp;
      if (e < num_experts) of[i] = logit(e);
    }
  }
};

// One warp: the experts of row t. Returns the id of expert `lane` of the row.
template <int kPerLane>
__device__ int32_t choose_row(const LaneLogits<kPerLane>& logits, const float* bias,
                              int num_experts, const RouterParams& params, int t,
                              const Routing& routing) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp, count = params.num_experts_per_tok;
  float score[kPerLane];
  unsigned key[kPerLane];  // 0 for an expert that is taken, or none
#pragma unroll
  for (int i = 0; i < kPerLane; ++i) {
    const int e = lane + i * kWarp;
    if (e < num_experts) score[i] = sigmoid(logits.of[i]);
    key[i] = e < num_experts ? order_key(score[i] + bias[e]) : 0;
  }
  int32_t my_id = num_experts + lane - count;  // a shared expert's, from lane `count` on
  float my_score = 1, total = 0;
#pragma unroll 1
  for (int j = 0; j < count; ++j) {
    unsigned best = 0;
#pragma unroll
    for (int i = 0; i < kPerLane; ++i) best = max(best, key[i]);
    best = __reduce_max_sync(~0u, best);
    unsigned id = ~0u;
#pragma unroll
    for (int i = kPerLane - 1; i >= 0; --i)
      if (key[i] == best) id = static_cast<unsigned>(lane + i * kWarp);
    id = __reduce_min_sync(~0u, id);
    float chosen = 0;
#pragma unroll
    for (int i = 0; i < kPerLane; ++i)
      if (static_cast<unsigned>(lane + i * kWarp) == id) chosen = score[i], key[i] = 0;
    chosen = __shfl_sync(~0u, chosen, static_cast<int>(id % kWarp));
    total += chosen;
    if (lane == j) my_id = static_cast<int32_t>(id), my_score = chosen;
  }
  if (lane >= routing.experts_per_row) return my_id;
  if (!params.norm_topk_prob) total = 1.0f;
  const int64_t pair = int64_t{t} * routing.experts_per_row + lane;
  routing.expert_ids[pair] = my_id;
  routing.weights[pair] = lane < count ? my_score / total * params.routed_scaling_factor : my_score;
  return my_id;
}

}  // namespace glint::cuda
