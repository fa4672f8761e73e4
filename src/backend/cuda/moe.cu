// The experts: one grouped product over the rows of each, whose rows of x are brought together
// first where large tiles take them.

#include <algorithm>

#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/kernel.cuh"

namespace glint {
namespace {

using namespace cuda;

constexpr int kThreads = 256, kWarps = kThreads / kWarp;

// kCount numbers that lie at a multiple of their size.
template <int kCount, typename T>
__device__ void copy_piece(T* to, const T* from) {
  if constexpr (kCount * sizeof(T) == 16)
    *reinterpret_cast<uint4*>(to) = *reinterpret_cast<const uint4*>(from);
  else
    for (int i = 0; i < kCount; ++i) to[i] = from[i];
}

bool in_pieces_of(const Matrix& rows, int count) {
  return rows.stride % count == 0 && rows.cols % count == 0 && is_aligned(rows.data);
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

// out[i] = x[pairs[i] / experts_per_row] for the rows that routed experts read. Block (e, c) copies
// the cth part of expert e's, a warp a row. Rows of an expert ascend, so that blocks that run at
// the same time read about the same rows of x: each comes from memory once.
__global__ void __launch_bounds__(kThreads)
    copy_rows_by_expert(Rows<const uint4> x, Rows<uint4> out, int pieces, const int32_t* begin,
                        const int32_t* pairs, int experts_per_row) {
  wait_for_previous();
  let_next_start();  // only now: what begins may rely on `begin` and `pairs` (begin_is_settled)
  const int first = begin[blockIdx.x], rows = begin[blockIdx.x + 1] - first;
  const auto part = static_cast<int>(blockIdx.y), parts = static_cast<int>(gridDim.y);
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int end = first + rows * (part + 1) / parts;
  for (int i = first + rows * part / parts + warp; i < end; i += kWarps) {
    const uint4* from = x[pairs[i] / experts_per_row] + lane;
    uint4* to = out[i] + lane;
    constexpr int kAtOnce = 8;
#pragma unroll 1
    for (int left = pieces - lane; left > 0; left -= kAtOnce * kWarp) {
      uint4 copied[kAtOnce];
#pragma unroll
      for (int j = 0; j < kAtOnce; ++j)
        if (j * kWarp < left) copied[j] = from[j * kWarp];
#pragma unroll
      for (int j = 0; j < kAtOnce; ++j)
        if (j * kWarp < left) to[j * kWarp] = copied[j];
      from += kAtOnce * kWarp, to += kAtOnce * kWarp;
    }
  }
}

// BF16 rows of whole pieces of 16 bytes as such.
template <typename Piece>
Rows<Piece> pieces_of(const Matrix& rows) {
  return {static_cast<Piece*>(rows.data), rows.stride / 8};
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
  GemmArgs args{.x = x,
                .num_shared = routing.n_shared_experts,
                .w = w,
                .is_swiglu = true,
                .out = act,
                .max_rows = x.rows,
                .mean_rows = mean_rows(routing, w.count),
                .begin = routing.expert_begin,
                .in_ids = routing.expert_pairs,
                .in_divisor = routing.experts_per_row};
  const bool has_routed = routing.experts_per_row > routing.n_shared_experts;
  if (has_routed && is_for_wgmma(args) && is_for_large_tiles(args))
    bring_rows_together(routing, args);
  gemm(args);
  settled_begin_ = is_for_wgmma(args) ? routing.expert_begin : nullptr;
}

// The rows of x that experts read, side by side. A shared expert reads all rows in order: x itself.
void CudaBackend::bring_rows_together(const Routing& routing, GemmArgs& args) {
  const Matrix x = args.x;
  const int rows = x.rows * (routing.experts_per_row - routing.n_shared_experts);
  auto* data = expert_rows_scratch_.at_least<__nv_bfloat16>(
      static_cast<size_t>(rows) * static_cast<size_t>(x.cols), sealed_);
  args.x = contiguous(data, x.type, rows, x.cols);
  args.shared_x = x;
  args.in_ids = nullptr;
  args.in_divisor = 1;
  args.begin_is_settled = true;
  const int routed = args.w.count - args.num_shared;
  const dim3 grid(static_cast<unsigned>(routed), blocks_for(args.mean_rows, kWarps));
  launch_early(stream_, grid, kThreads, 0, copy_rows_by_expert, pieces_of<const uint4>(x),
               pieces_of<uint4>(args.x), x.cols / 8, routing.expert_begin, routing.expert_pairs,
               routing.experts_per_row);
}

void CudaBackend::moe_down(Matrix act, const Routing& routing, MatrixStack w, Matrix parts) {
  CHECK(act.rows == routing.num_tokens * routing.experts_per_row && act.cols == w.cols &&
            act.type == w.type,
        "act [", act.rows, ", ", act.cols, "], w [", w.rows, ", ", w.cols, "]");
  CHECK(parts.rows == act.rows && parts.cols == w.rows, "parts [", parts.rows, ", ", parts.cols,
        "]");
  if (routing.num_tokens == 0) return;
  gemm({.x = act,
        .num_shared = routing.n_shared_experts,
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
