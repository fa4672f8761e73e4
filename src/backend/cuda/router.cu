// The choice of experts: FP32 logits of all rows and experts, then each row's K largest.
//
// In BF16 the logits are a product like others (gemm.h), and of few rows norm_route.cu has both.
// The general kernel sums a logit over the lanes of a warp, lane l having columns [8 l, 8 l + 8) of
// every 256 in order: the same bits however many rows and experts a warp takes.

#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/group.cuh"
#include "backend/cuda/norm_route.cuh"
#include "backend/cuda/router.cuh"
#include "backend/cuda/rows.cuh"

namespace glint {
namespace {

using cuda::AnyRows;
using cuda::check_norm;
using cuda::choose_row;
using cuda::Chunk;
using cuda::kChunk;
using cuda::kWarp;
using cuda::LaneLogits;

constexpr int kWarps = 4;  // of a block
constexpr int kFewRows = 16;
constexpr int kRowsOfABlock = 128;  // that one block chooses for and groups

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

// One warp a row.
template <int kPerLane>
__global__ void choose_kernel(const float* logits, const float* bias, int num_experts,
                              RouterParams params, Routing routing) {
  cuda::let_next_start();
  cuda::wait_for_previous();
  const int t = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x) / kWarp;
  if (t >= routing.num_tokens) return;
  const float* of_row = logits + int64_t{t} * num_experts;
  const LaneLogits<kPerLane> row(num_experts, [&](int e) { return of_row[e]; });
  choose_row(row, bias, num_experts, params, t, routing);
}

// Few rows in one block, which groups them too.
template <int kPerLane>
__global__ void __launch_bounds__(cuda::kGroupThreads)
    choose_and_group_kernel(const float* logits, const float* bias, int num_experts,
                            RouterParams params, Routing routing) {
  __shared__ cuda::PairGroups<>::Shared shared;
  __shared__ int32_t ids[cuda::kGroupPairs];
  cuda::let_next_start();
  cuda::wait_for_previous();
  const int per_row = routing.experts_per_row, all = num_experts + routing.n_shared_experts;
  const auto logits_of = [&](int t) {  // some row's where t is none
    const float* of_row = logits + int64_t{min(t, routing.num_tokens - 1)} * num_experts;
    return LaneLogits<kPerLane>(num_experts, [&](int e) { return of_row[e]; });
  };
  const int first = static_cast<int>(threadIdx.x) / kWarp;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  LaneLogits<kPerLane> next = logits_of(first);
#pragma unroll 1
  for (int t = first; t < routing.num_tokens; t += cuda::kGroupWarps) {
    const LaneLogits<kPerLane> row = next;
    next = logits_of(t + cuda::kGroupWarps);  // while this row's experts are chosen
    const int32_t id = choose_row(row, bias, num_experts, params, t, routing);
    if (lane < per_row) ids[t * per_row + lane] = id;
  }
  __syncthreads();
  cuda::PairGroups<> groups(shared, all);
  groups.count(ids, routing.num_tokens * per_row);
  groups.begin_from(shared.total);
  const int e = static_cast<int>(threadIdx.x);
  if (e <= all) routing.expert_begin[e] = shared.begin[e];
  groups.place(0, routing.expert_pairs, [&](int id) { return shared.begin[id]; });
}

template <int kTokens, int kExperts>
void launch_logits(cudaStream_t stream, const Matrix& x, const Matrix& w, float* logits) {
  const dim3 grid(cuda::blocks_for(x.rows, kTokens), cuda::blocks_for(w.rows, kExperts * kWarps));
  cuda::launch_early(stream, grid, kWarps * kWarp, 0, logits_kernel<kTokens, kExperts>,
                     cuda::any_rows(x), x.rows, x.cols, cuda::any_rows(w), w.rows, logits);
}

void check_route(const Matrix& x, const Matrix& w, const Matrix& bias, const RouterParams& params,
                 const Routing& routing) {
  const int count = params.num_experts_per_tok, all = w.rows + routing.n_shared_experts;
  CHECK(bias.type == NumberType::kF32, "the bias is FP32");
  CHECK(w.cols == x.cols && bias.cols == w.rows, "w [", w.rows, ", ", w.cols, "]");
  CHECK(routing.num_tokens == x.rows && count <= w.rows &&
            routing.experts_per_row == count + routing.n_shared_experts,
        count, " of ", w.rows, " experts for ", routing.num_tokens, " rows");
  CHECK(all <= cuda::kMostExperts && routing.experts_per_row <= kWarp, routing.experts_per_row,
        " of ", all, " experts, the kernel takes ", kWarp, " of ", cuda::kMostExperts);
}

}  // namespace

void CudaBackend::add_rms_norm_route(Matrix delta, Matrix residual, Matrix weight, float eps,
                                     Matrix out, Matrix w, Matrix bias, const RouterParams& params,
                                     Routing routing) {
  const cuda::NormRouteInputs inputs{delta, residual, weight, eps, w, bias, params};
  if (!cuda::is_for_norm_route(inputs, routing, out))
    return Backend::add_rms_norm_route(delta, residual, weight, eps, out, w, bias, params, routing);
  check_norm(residual, weight, out);
  check_norm(delta, weight, out);
  check_route(out, w, bias, params, routing);
  settled_begin_ = nullptr;
  cuda::norm_route(stream_, tensor_maps_, finished_clusters_, inputs, routing, out);
}

void CudaBackend::route(Matrix x, Matrix w, Matrix bias, const RouterParams& params,
                        Routing routing) {
  check_route(x, w, bias, params, routing);
  const int all = w.rows + routing.n_shared_experts;
  settled_begin_ = nullptr;
  if (x.rows == 0) return;
  const int pairs = x.rows * routing.experts_per_row;
  const auto num_logits = static_cast<size_t>(x.rows) * static_cast<size_t>(w.rows);
  auto* logits =
      moe_scratch_.at_least<float>(num_logits + cuda::group_counts_size(pairs, all), sealed_);
  route_logits(x, w, logits);
  constexpr int kFew = 2, kMost = cuda::kMostExperts / kWarp;  // experts of a lane
  const bool few = w.rows <= kFew * kWarp;
  if (x.rows <= kRowsOfABlock && pairs <= cuda::kGroupPairs) {
    auto* kernel = few ? choose_and_group_kernel<kFew> : choose_and_group_kernel<kMost>;
    cuda::launch_early(stream_, 1, cuda::kGroupThreads, 0, kernel, logits,
                       static_cast<const float*>(bias.data), w.rows, params, routing);
    return;
  }
  auto* kernel = few ? choose_kernel<kFew> : choose_kernel<kMost>;
  cuda::launch_early(stream_, cuda::blocks_for(x.rows, kWarps), kWarps * kWarp, 0, kernel, logits,
                     static_cast<const float*>(bias.data), w.rows, params, routing);
  cuda::group_by_expert(stream_, routing, all, reinterpret_cast<int*>(logits + num_logits));
}

// logits [x.rows, w.rows] = x w^T
void CudaBackend::route_logits(Matrix x, Matrix w, float* logits) {
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
}

}  // namespace glint
