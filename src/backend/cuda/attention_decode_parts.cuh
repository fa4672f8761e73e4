#pragma once

// How parts of rows are read and merged, by the arithmetic of attention_decode_plan.cuh: who merges
// has a head's columns four a thread, as they are stored.

#include "backend/cuda/attention_decode_plan.cuh"

namespace glint::cuda {

// Parts that a warp asks for at once, while it merges as many.
inline constexpr int kPartsAtOnce = 4;

// A part's result for four columns.
struct Part {
  PartStats stats;
  float4 sums;

  // The i-th of a row's output, if this is all of the row.
  __device__ __nv_bfloat16 output(int i) const {
    const float of[kPartBoxes] = {sums.x, sums.y, sums.z, sums.w};
    return from_f32<__nv_bfloat16>(of[i] * (1 / stats.total));
  }
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
  // The first of them in a row of all heads; the others lie 64 further each.
  template <typename T>
  __device__ T* in(T* row) const {
    return row + head * kDecodeLatent + half * kPartHalf + offset;
  }
};

__device__ inline Part nothing() { return {kNothing, {0, 0, 0, 0}}; }

// f(part's place in the row, part) for parts [begin, end) of the row.
template <typename F>
__device__ void for_each_part(const DecodeParts& parts, const DecodeRow& row,
                              const Columns& columns, int begin, int end, F&& f) {
  Part next[kPartsAtOnce];
  const auto ask = [&](int first) {
#pragma unroll
    for (int i = 0; i < kPartsAtOnce; ++i)
      if (first + i < end) next[i] = columns.load(parts, row.first_part + first + i);
  };
  ask(begin);
#pragma unroll 1
  for (int first = begin; first < end; first += kPartsAtOnce) {
    Part now[kPartsAtOnce];
#pragma unroll
    for (int i = 0; i < kPartsAtOnce; ++i) now[i] = next[i];
    ask(first + kPartsAtOnce);
#pragma unroll
    for (int i = 0; i < kPartsAtOnce; ++i)
      if (first + i < end) f(first + i, now[i]);
  }
}

// All of a row that has parts, merged by a warp.
__device__ inline Part whole_row(const DecodeParts& parts, const DecodeRow& row,
                                 const Columns& columns) {
  Part whole = nothing(), group = nothing();
  for_each_part(parts, row, columns, 0, row.num_parts, [&](int i, const Part& part) {
    group.take(part);
    const int next = i + 1;
    if ((next & (row.parts_per_group - 1)) != 0 && next != row.num_parts) return;
    whole.take(group);
    group = nothing();
  });
  return whole;
}

// The same by `warps` warps, of which this is the `warp`th; the first has the result. A warp merges
// a group; `groups` is theirs, and `sync` waits for all of them.
template <typename Sync>
__device__ Part whole_row(const DecodeParts& parts, const DecodeRow& row, const Columns& columns,
                          int warp, int warps, Part (*groups)[kWarp], Sync&& sync) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int num_groups = (row.num_parts + row.parts_per_group - 1) / row.parts_per_group;
  Part whole = nothing();
#pragma unroll 1
  for (int first = 0; first < num_groups; first += warps) {
    const int begin = (first + warp) * row.parts_per_group;
    Part group = nothing();
    for_each_part(parts, row, columns, begin, min(begin + row.parts_per_group, row.num_parts),
                  [&](int, const Part& part) { group.take(part); });
    groups[warp][lane] = group;
    sync();
#pragma unroll 1
    for (int i = 0; warp == 0 && i < min(warps, num_groups - first); ++i)
      whole.take(groups[i][lane]);
    sync();
  }
  return whole;
}

}  // namespace glint::cuda
