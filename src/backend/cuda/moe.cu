// The routed experts: one grouped product over the rows of each.

#include <algorithm>

#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/kernel.cuh"

namespace glint {
namespace {

using namespace cuda;

constexpr int kThreads = 256;

// out[t] = sum over j of weights[t, j] parts[t * K + j], then + shared[t], in this order.
template <typename Out>
__global__ void combine(const float* parts, const float* weights, int num_experts_per_tok,
                        const float* shared, Rows<Out> out, int hidden) {
  let_next_start();
  wait_for_previous();
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

int mean_rows(const Routing& routing, int num_experts) {
  const int pairs = routing.num_tokens * routing.num_experts_per_tok;
  return (pairs + num_experts - 1) / num_experts;
}

}  // namespace

void CudaBackend::moe_gate_up(Matrix x, const Routing& routing, MatrixStack w, Matrix out) {
  check_routing(routing, x.rows);
  CHECK(w.cols == x.cols && w.type == x.type && w.rows % 2 == 0, "w [", w.rows, ", ", w.cols, "]");
  CHECK(out.rows == x.rows * routing.num_experts_per_tok && out.cols == w.rows / 2, "out [",
        out.rows, ", ", out.cols, "]");
  if (x.rows == 0) return;
  gemm({.x = x,
        .w = w,
        .is_swiglu = true,
        .out = out,
        .max_rows = x.rows,
        .mean_rows = mean_rows(routing, w.count),
        .ids = routing.expert_pairs,
        .begin = routing.expert_begin,
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
  gemm({.x = act,
        .w = w,
        .out = contiguous(parts, NumberType::kF32, act.rows, hidden),
        .max_rows = tokens,
        .mean_rows = mean_rows(routing, w.count),
        .ids = routing.expert_pairs,
        .begin = routing.expert_begin});
  linear(shared_act, shared_w, contiguous(shared, NumberType::kF32, tokens, hidden));
  with_type(out.type, [&]<typename Out>(Out) {
    launch_early(stream_, dim3(blocks_for(hidden, kThreads), static_cast<unsigned>(tokens)),
                 dim3(kThreads), 0, combine<Out>, static_cast<const float*>(parts), routing.weights,
                 per_token, static_cast<const float*>(shared), rows_of<Out>(out), hidden);
  });
}

}  // namespace glint
