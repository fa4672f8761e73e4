// The routed experts: one grouped product over the rows of each.

#include <algorithm>

#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/kernel.cuh"

namespace glint {
namespace {

using namespace cuda;

constexpr int kThreads = 256;

// kCount numbers that lie at a multiple of their size.
template <int kCount, typename T>
__device__ void copy_piece(T* to, const T* from) {
  if constexpr (kCount * sizeof(T) == 16)
    *reinterpret_cast<uint4*>(to) = *reinterpret_cast<const uint4*>(from);
  else
    for (int i = 0; i < kCount; ++i) to[i] = from[i];
}

bool in_pieces_of(const Matrix& rows, int count) {
  return rows.stride % count == 0 && rows.cols % count == 0 &&
         reinterpret_cast<uintptr_t>(rows.data) % 16 == 0;
}

// out[t] = sum over j of weights[t, j] parts[t * P + j], in this order. A thread has 16
// bytes of columns, or one column where rows do not come in such pieces.
template <typename T, int kColumns>
__global__ void combine(Rows<const T> parts, const float* weights, int experts_per_row, Rows<T> out,
                        int hidden) {
  let_next_start();
  wait_for_previous();
  const auto t = static_cast<int64_t>(blockIdx.y);
  const int column =
      (static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x)) * kColumns;
  if (column >= hidden) return;
  float sum[kColumns] = {};
  for (int j = 0; j < experts_per_row; ++j) {
    const int64_t pair = t * experts_per_row + j;
    const float weight = weights[pair];
    alignas(16) T part[kColumns];
    copy_piece<kColumns>(part, parts[pair] + column);
#pragma unroll
    for (int i = 0; i < kColumns; ++i) sum[i] = fmaf(weight, to_f32(part[i]), sum[i]);
  }
  alignas(16) T result[kColumns];
#pragma unroll
  for (int i = 0; i < kColumns; ++i) result[i] = from_f32<T>(sum[i]);
  copy_piece<kColumns, T>(out[t] + column, result);
}

template <typename T, int kColumns>
void launch_combine(cudaStream_t stream, const Matrix& parts, const Routing& routing,
                    const Matrix& out) {
  const dim3 grid(blocks_for(out.cols, kThreads * kColumns), static_cast<unsigned>(out.rows));
  launch_early(stream, grid, kThreads, 0, combine<T, kColumns>, rows_of<const T>(parts),
               static_cast<const float*>(routing.weights), routing.experts_per_row, rows_of<T>(out),
               out.cols);
}

void check_routing(const Routing& routing, int num_tokens) {
  CHECK(routing.num_tokens == num_tokens, "a routing of ", routing.num_tokens, " rows for ",
        num_tokens);
}

void check_parts(const Matrix& parts, const Routing& routing, const Matrix& out) {
  CHECK(parts.rows == out.rows * routing.experts_per_row && parts.cols == out.cols &&
            parts.type == out.type,
        "parts [", parts.rows, ", ", parts.cols, "] for out [", out.rows, ", ", out.cols, "]");
}

// Of the routed experts: a shared one has every row.
int mean_rows(const Routing& routing, int num_experts) {
  const int chosen = routing.experts_per_row - routing.n_shared_experts;
  const int routed = std::max(num_experts - routing.n_shared_experts, 1);
  return std::max((routing.num_tokens * chosen + routed - 1) / routed, 1);
}

}  // namespace

void CudaBackend::moe_gate_up(Matrix x, const Routing& routing, MatrixStack w, Matrix act) {
  check_routing(routing, x.rows);
  CHECK(w.cols == x.cols && w.type == x.type && w.rows % 2 == 0, "w [", w.rows, ", ", w.cols, "]");
  CHECK(act.rows == x.rows * routing.experts_per_row && act.cols == w.rows / 2, "act [", act.rows,
        ", ", act.cols, "]");
  if (x.rows == 0) return;
  const GemmArgs args{.x = x,
                      .w = w,
                      .is_swiglu = true,
                      .out = act,
                      .max_rows = x.rows,
                      .mean_rows = mean_rows(routing, w.count),
                      .begin = routing.expert_begin,
                      .in_ids = routing.expert_pairs,
                      .in_divisor = routing.experts_per_row};
  gemm(args);
  settled_begin_ = is_for_wgmma(args) ? routing.expert_begin : nullptr;
}

void CudaBackend::moe_down(Matrix act, const Routing& routing, MatrixStack w, Matrix parts) {
  CHECK(act.rows == routing.num_tokens * routing.experts_per_row && act.cols == w.cols &&
            act.type == w.type,
        "act [", act.rows, ", ", act.cols, "], w [", w.rows, ", ", w.cols, "]");
  CHECK(parts.rows == act.rows && parts.cols == w.rows, "parts [", parts.rows, ", ", parts.cols,
        "]");
  if (routing.num_tokens == 0) return;
  gemm({.x = act,
        .w = w,
        .out = parts,
        .max_rows = routing.num_tokens,
        .mean_rows = mean_rows(routing, w.count),
        .begin = routing.expert_begin,
        .out_ids = routing.expert_pairs,
        .begin_is_settled = settled_begin_ == routing.expert_begin});
}

void CudaBackend::moe_combine(Matrix parts, const Routing& routing, Matrix out) {
  check_routing(routing, out.rows);
  check_parts(parts, routing, out);
  with_type(out.type, [&]<typename T>(T) {
    constexpr int kColumns = 16 / sizeof(T);
    const bool in_pieces = in_pieces_of(parts, kColumns) && in_pieces_of(out, kColumns);
    (in_pieces ? launch_combine<T, kColumns> : launch_combine<T, 1>)(stream_, parts, routing, out);
  });
}

}  // namespace glint
