// Parts of rows become rows, by the arithmetic of attention_decode_plan.cuh.

#include "backend/cuda/attention_decode_plan.cuh"

namespace glint::cuda {
namespace {

// Parts that a warp asks for at once, while it merges as many.
constexpr int kAtOnce = 4;

// A part's result for four columns.
struct Part {
  PartStats stats;
  float4 sums;

  __device__ void take(const Part& other) {
    const MergeScales scales = merge(stats, other.stats);
    sums.x = merged(sums.x, other.sums.x, scales);
    sums.y = merged(sums.y, other.sums.y, scales);
    sums.z = merged(sums.z, other.sums.z, scales);
    sums.w = merged(sums.w, other.sums.w, scales);
  }
};

// A thread's four columns of one head: half * kPartHalf + 64 * i + offset.
struct Columns {
  int head, half, offset;

  __device__ Columns(int head_index, int quarter, int lane)
      : head(head_index), half(quarter / 2), offset(quarter % 2 * kWarp + lane) {}

  __device__ Part load(const DecodeParts& parts, int part) const {
    const int64_t at = static_cast<int64_t>(part) * parts.num_heads + head;
    const float* sums = parts.sums + at * kDecodeLatent + half * kPartHalf + kPartBoxes * offset;
    return {parts.stats[at], *reinterpret_cast<const float4*>(sums)};
  }
  __device__ void store(__nv_bfloat16* row, const Part& whole) const {
    __nv_bfloat16* to = row + head * kDecodeLatent + half * kPartHalf + offset;
    const float sums[kPartBoxes] = {whole.sums.x, whole.sums.y, whole.sums.z, whole.sums.w};
    const float share = 1 / whole.stats.total;
    for (int i = 0; i < kPartBoxes; ++i) to[64 * i] = from_f32<__nv_bfloat16>(sums[i] * share);
  }
};

__device__ Part nothing() { return {kNothing, {0, 0, 0, 0}}; }

// f(part's place in the row, part) for parts [begin, end) of the row.
template <typename F>
__device__ void for_each_part(const DecodeParts& parts, const DecodeRow& row,
                              const Columns& columns, int begin, int end, F&& f) {
  Part next[kAtOnce];
  const auto ask = [&](int first) {
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i)
      if (first + i < end) next[i] = columns.load(parts, row.first_part + first + i);
  };
  ask(begin);
#pragma unroll 1
  for (int first = begin; first < end; first += kAtOnce) {
    Part now[kAtOnce];
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) now[i] = next[i];
    ask(first + kAtOnce);
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i)
      if (first + i < end) f(first + i, now[i]);
  }
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
  const int num_groups = (row.num_parts + row.parts_per_group - 1) / row.parts_per_group;
  Part whole = nothing();
#pragma unroll 1
  for (int first = 0; first < num_groups; first += kCombineWarps) {
    const int begin = (first + warp) * row.parts_per_group;
    Part group = nothing();
    for_each_part(parts, row, columns, begin, min(begin + row.parts_per_group, row.num_parts),
                  [&](int, const Part& part) { group.take(part); });
    groups[warp][lane] = group;
    __syncthreads();
#pragma unroll 1
    for (int i = 0; warp == 0 && i < min(kCombineWarps, num_groups - first); ++i)
      whole.take(groups[i][lane]);
    __syncthreads();
  }
  if (warp == 0) columns.store(out[row.token], whole);
}

__global__ void combine_many(DecodeParts parts, Rows<__nv_bfloat16> out) {
  let_next_start();
  const DecodeRow row = parts.rows[blockIdx.x];
  wait_for_previous();
  const int head = static_cast<int>(blockIdx.y * blockDim.z + threadIdx.z);
  if (row.num_parts == 0 || head >= parts.num_heads) return;
  const Columns columns(head, static_cast<int>(threadIdx.y), static_cast<int>(threadIdx.x));
  Part whole = nothing(), group = nothing();
  for_each_part(parts, row, columns, 0, row.num_parts, [&](int i, const Part& part) {
    group.take(part);
    const int next = i + 1;
    if ((next & (row.parts_per_group - 1)) != 0 && next != row.num_parts) return;
    whole.take(group);
    group = nothing();
  });
  columns.store(out[row.token], whole);
}

}  // namespace glint::cuda
