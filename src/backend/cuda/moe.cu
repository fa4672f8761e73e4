// The routed experts: their rows grouped by expert, then one grouped product.

#include <algorithm>

#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/kernel.cuh"

namespace glint {
namespace {

using namespace cuda;

constexpr int kThreads = 256;

// begin[e] = how many of the `num_pairs` choices are of experts below e.  begin [num_experts + 1]
__global__ void count_rows(const int32_t* expert_ids, int num_pairs, int num_experts,
                           int32_t* begin) {
  extern __shared__ int32_t count[];  // [num_experts]
  for (int e = static_cast<int>(threadIdx.x); e < num_experts; e += kThreads) count[e] = 0;
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < num_pairs; i += kThreads)
    atomicAdd(&count[expert_ids[i]], 1);
  __syncthreads();
  if (threadIdx.x > 0) return;
  int sum = 0;
  for (int e = 0; e < num_experts; ++e) {
    begin[e] = sum;
    sum += count[e];
  }
  begin[num_experts] = sum;
}

// rows[begin[e] ...] = the pairs t * K + j that chose expert e, ascending. One block an expert.
__global__ void group_rows(const int32_t* expert_ids, int num_pairs, const int32_t* begin,
                           int32_t* rows) {
  __shared__ int warp_count[kThreads / kWarp];
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
    if (mine) rows[before] = pair;
    __syncthreads();
  }
}

// out[t] = sum over j of weights[t, j] parts[t * K + j], then + shared[t], in this order.
template <typename Out>
__global__ void combine(const float* parts, const float* weights, int num_experts_per_tok,
                        const float* shared, Rows<Out> out, int hidden) {
  const auto t = static_cast<int64_t>(blockIdx.y);
  const int column = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  if (column >= hidden) return;
  float sum = 0;
  for (int j = 0; j < num_experts_per_tok; ++j) {
    const int64_t pair = t * num_experts_per_tok + j;
    sum = fmaf(weights[pair], parts[pair * hidden + column], sum);
  }
  out[t][column] = from_f32<Out>(sum + shared[t * hidden + column]);
}

void check_routing(const Routing& routing, int num_tokens) {
  CHECK(routing.num_tokens == num_tokens, "a routing of ", routing.num_tokens, " rows for ",
        num_tokens);
}

// Of one expert: twice the mean, so that a busy one rarely takes a second tile, yet no more than
// there are.
int expected_rows(const Routing& routing, int num_experts) {
  const int pairs = routing.num_tokens * routing.num_experts_per_tok;
  return std::min(routing.num_tokens, 2 * (pairs + num_experts - 1) / num_experts);
}

}  // namespace

CudaBackend::ExpertRows CudaBackend::group_by_expert(const Routing& routing, int num_experts) {
  const int pairs = routing.num_tokens * routing.num_experts_per_tok;
  auto* begin =
      moe_scratch_.at_least<int32_t>(static_cast<size_t>(num_experts + 1 + pairs), sealed_);
  int32_t* rows = begin + num_experts + 1;
  launch(stream_, dim3(1), dim3(kThreads), static_cast<size_t>(num_experts) * sizeof(int32_t),
         count_rows, routing.expert_ids, pairs, num_experts, begin);
  launch(stream_, dim3(static_cast<unsigned>(num_experts)), dim3(kThreads), 0, group_rows,
         routing.expert_ids, pairs, begin, rows);
  return {.rows = rows, .begin = begin};
}

void CudaBackend::moe_gate_up(Matrix x, const Routing& routing, MatrixStack w, Matrix out) {
  check_routing(routing, x.rows);
  CHECK(w.cols == x.cols && w.type == x.type && w.rows % 2 == 0, "w [", w.rows, ", ", w.cols, "]");
  CHECK(out.rows == x.rows * routing.num_experts_per_tok && out.cols == w.rows / 2, "out [",
        out.rows, ", ", out.cols, "]");
  if (x.rows == 0) return;
  const ExpertRows grouped = group_by_expert(routing, w.count);
  gemm({.x = x,
        .w = w,
        .is_swiglu = true,
        .out = out,
        .max_rows = x.rows,
        .expected_rows = expected_rows(routing, w.count),
        .ids = grouped.rows,
        .begin = grouped.begin,
        .in_divisor = routing.num_experts_per_tok});
}

void CudaBackend::moe_down(Matrix act, const Routing& routing, MatrixStack w, Matrix shared_act,
                           Matrix shared_w, Matrix out) {
  const int tokens = out.rows, hidden = out.cols, per_token = routing.num_experts_per_tok;
  check_routing(routing, tokens);
  CHECK(act.rows == tokens * per_token && act.cols == w.cols && w.rows == hidden &&
            act.type == w.type,
        "act [", act.rows, ", ", act.cols, "], w [", w.rows, ", ", w.cols, "]");
  CHECK(shared_act.rows == tokens && shared_w.rows == hidden, "shared_w [", shared_w.rows, ", ",
        shared_w.cols, "]");
  if (tokens == 0) return;
  const auto numbers = static_cast<size_t>(tokens) * static_cast<size_t>(hidden);
  auto* parts =
      parts_scratch_.at_least<float>(numbers * static_cast<size_t>(per_token + 1), sealed_);
  float* shared = parts + numbers * static_cast<size_t>(per_token);
  const ExpertRows grouped = group_by_expert(routing, w.count);
  gemm({.x = act,
        .w = w,
        .out = contiguous(parts, NumberType::kF32, act.rows, hidden),
        .max_rows = tokens,
        .expected_rows = expected_rows(routing, w.count),
        .ids = grouped.rows,
        .begin = grouped.begin});
  linear(shared_act, shared_w, contiguous(shared, NumberType::kF32, tokens, hidden));
  with_type(out.type, [&]<typename Out>(Out) {
    launch(stream_, dim3(blocks_for(hidden, kThreads), static_cast<unsigned>(tokens)),
           dim3(kThreads), 0, combine<Out>, static_cast<const float*>(parts), routing.weights,
           per_token, static_cast<const float*>(shared), rows_of<Out>(out), hidden);
  });
}

}  // namespace glint
