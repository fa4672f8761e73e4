// Parts of rows become rows, by the arithmetic of attention_decode_plan.cuh.

#include "backend/cuda/attention_decode_parts.cuh"

namespace glint::cuda {
namespace {

__device__ void store(const Part& whole, __nv_bfloat16* to) {
  for (int i = 0; i < kPartBoxes; ++i) to[64 * i] = whole.output(i);
}

}  // namespace

__global__ void combine_few(DecodeParts parts, Rows<__nv_bfloat16> out) {
  let_next_start();
  __shared__ Part groups[kCombineWarps][kWarp];
  const DecodeRow row = parts.rows[blockIdx.x];
  wait_for_previous();
  if (row.num_parts == 0) return;
  const int lane = static_cast<int>(threadIdx.x), warp = static_cast<int>(threadIdx.y);
  const Columns columns(static_cast<int>(blockIdx.y), static_cast<int>(blockIdx.z), lane);
  const Part whole =
      whole_row(parts, row, columns, warp, kCombineWarps, groups, [] { __syncthreads(); });
  if (warp == 0) store(whole, columns.in(out[row.token]));
}

__global__ void combine_many(DecodeParts parts, Rows<__nv_bfloat16> out) {
  let_next_start();
  const DecodeRow row = parts.rows[blockIdx.x];
  wait_for_previous();
  const int head = static_cast<int>(blockIdx.y * blockDim.z + threadIdx.z);
  if (row.num_parts == 0 || head >= parts.num_heads) return;
  const Columns columns(head, static_cast<int>(threadIdx.y), static_cast<int>(threadIdx.x));
  store(whole_row(parts, row, columns), columns.in(out[row.token]));
}

}  // namespace glint::cuda
