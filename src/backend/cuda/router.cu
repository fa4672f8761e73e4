// The choice of experts: FP32 logits of all rows and experts, then each row's K largest.
//
// A logit is the sum over the lanes of a warp, lane l having columns [8 l, 8 l + 8) of every 256 in
// order: the same bits however many rows and experts a warp takes. At the model's sizes the weights
// are 512 KB, which stay in L2; many rows are bound by FP32 arithmetic and L1.

#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/group.cuh"
#include "backend/cuda/rows.cuh"

namespace glint {
namespace {

using cuda::AnyRows;
using cuda::Chunk;
using cuda::kChunk;
using cuda::kWarp;

constexpr int kWarps = 4;  // of a block
constexpr int kFewRows = 16;

// One warp a tile of kTokens rows and kExperts experts; logits [num_tokens, num_experts].
template <int kTokens, int kExperts>
__global__ void __launch_bounds__(kWarps* kWarp)
    logits_kernel(AnyRows x, int num_tokens, int n, AnyRows w, int num_experts, float* logits) {
  cuda::let_next_start();
  cuda::wait_for_previous();
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int first_token = static_cast<int>(blockIdx.x) * kTokens;
  const int first_expert = (static_cast<int>(blockIdx.y) * kWarps + warp) * kExperts;
  float sums[kTokens][kExperts] = {};
  for (int col = lane * kChunk; col < n; col += kWarp * kChunk) {
    Chunk tokens[kTokens];
    for (int t = 0; t < kTokens; ++t)  // past the end: the last row again, not written
      tokens[t] = load_chunk(x, min(first_token + t, num_tokens - 1), col, n);
    for (int e = 0; e < kExperts; ++e) {
      const Chunk weights = load_chunk(w, min(first_expert + e, num_experts - 1), col, n);
      for (int t = 0; t < kTokens; ++t)
        for (int i = 0; i < kChunk; ++i)
          sums[t][e] = fmaf(tokens[t].x[i], weights.x[i], sums[t][e]);
    }
  }
  for (int t = 0; t < kTokens; ++t)
    for (int e = 0; e < kExperts; ++e) {
      const float sum = cuda::warp_sum(sums[t][e]);
      const int token = first_token + t, expert = first_expert + e;
      if (lane == 0 && token < num_tokens && expert < num_experts)
        logits[int64_t{token} * num_experts + expert] = sum;
    }
}

// An expert with its selection score. Orders put the larger first, of equals the lower id.
struct Choice {
  float score;
  int id;
};

__device__ bool is_before(const Choice& a, const Choice& b) {
  return a.score > b.score || (a.score == b.score && a.id < b.id);
}

__device__ float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

// The first of the experts that come after `last`, in all lanes. NaN counts as smallest, so that a
// bad row still names experts that exist.
__device__ Choice next_choice(const float* logits, const float* bias, int num_experts,
                              const Choice& last, int lane) {
  Choice best{-INFINITY, INT_MAX};
  for (int e = lane; e < num_experts; e += kWarp) {
    const float score = sigmoid(logits[e]) + bias[e];
    const Choice choice{isnan(score) ? -INFINITY : score, e};
    if (is_before(last, choice) && is_before(choice, best)) best = choice;
  }
  for (int offset = kWarp / 2; offset > 0; offset /= 2) {
    const Choice other{__shfl_xor_sync(~0u, best.score, offset),
                       __shfl_xor_sync(~0u, best.id, offset)};
    if (is_before(other, best)) best = other;
  }
  return best;
}

// One warp a row.
__global__ void choose_kernel(const float* all_logits, const float* bias, int num_experts,
                              RouterParams params, Routing routing) {
  cuda::let_next_start();
  cuda::wait_for_previous();
  const int t = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x) / kWarp;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  if (t >= routing.num_tokens) return;
  const int count = params.num_experts_per_tok;
  const float* logits = all_logits + int64_t{t} * num_experts;
  int32_t* ids = routing.expert_ids + int64_t{t} * count;
  float* weights = routing.weights + int64_t{t} * count;
  Choice last{INFINITY, -1};
  float total = 0;
  for (int j = 0; j < count; ++j) {
    last = next_choice(logits, bias, num_experts, last, lane);
    const float score = sigmoid(logits[last.id]);
    total += score;
    if (lane == 0) ids[j] = last.id, weights[j] = score;
  }
  __syncwarp();
  if (!params.norm_topk_prob) total = 1.0f;
  for (int j = lane; j < count; j += kWarp)
    weights[j] = weights[j] / total * params.routed_scaling_factor;
}

template <int kTokens, int kExperts>
void launch_logits(cudaStream_t stream, const Matrix& x, const Matrix& w, float* logits) {
  const dim3 grid(cuda::blocks_for(x.rows, kTokens), cuda::blocks_for(w.rows, kExperts * kWarps));
  cuda::launch_early(stream, grid, kWarps * kWarp, 0, logits_kernel<kTokens, kExperts>,
                     cuda::any_rows(x), x.rows, x.cols, cuda::any_rows(w), w.rows, logits);
}

}  // namespace

void CudaBackend::route(Matrix x, Matrix w, Matrix bias, const RouterParams& params,
                        Routing routing) {
  const int count = params.num_experts_per_tok;
  CHECK(bias.type == NumberType::kF32, "the bias is FP32");
  CHECK(w.cols == x.cols && bias.cols == w.rows, "w [", w.rows, ", ", w.cols, "]");
  CHECK(routing.num_tokens == x.rows && routing.num_experts_per_tok == count && count <= w.rows,
        count, " of ", w.rows, " experts for ", routing.num_tokens, " rows");
  if (x.rows == 0) return;
  const auto num_logits = static_cast<size_t>(x.rows) * static_cast<size_t>(w.rows);
  float* logits = moe_scratch_.at_least<float>(num_logits, sealed_);
  const cuda::GemmArgs product{.x = x,
                               .w = {w.data, w.type, 1, w.rows, w.cols},
                               .out = contiguous(logits, NumberType::kF32, x.rows, w.rows),
                               .max_rows = x.rows};
  if (w.stride == w.cols && cuda::is_for_wgmma(product))
    gemm(product);
  else if (x.rows <= kFewRows)  // the tile is for speed alone: see above
    launch_logits<4, 1>(stream_, x, w, logits);
  else
    launch_logits<8, 4>(stream_, x, w, logits);
  cuda::launch_early(stream_, cuda::blocks_for(x.rows, kWarps), kWarps * kWarp, 0, choose_kernel,
                     logits, static_cast<const float*>(bias.data), w.rows, params, routing);
  cuda::group_by_expert(stream_, routing, w.rows);
}

}  // namespace glint
