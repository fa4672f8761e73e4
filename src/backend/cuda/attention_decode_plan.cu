#include <cmath>

#include "backend/cuda/attention_decode_plan.cuh"

namespace glint::cuda {
namespace {

constexpr int kMaxWarps = 32;

// The sum of x over the threads before this one, and over all.
struct BlockScan {
  int before, total;
};
__device__ BlockScan scan_block(int x, int* warp_totals) {
  const int thread = static_cast<int>(threadIdx.x), lane = thread % kWarp, warp = thread / kWarp;
  int sum = x;
  for (int offset = 1; offset < kWarp; offset *= 2) {
    const int other = __shfl_up_sync(~0u, sum, offset);
    if (lane >= offset) sum += other;
  }
  __syncthreads();  // warp_totals may still be read from a call before
  if (lane == kWarp - 1) warp_totals[warp] = sum;
  __syncthreads();
  BlockScan scan{sum - x, 0};
  for (int w = 0; w < static_cast<int>(blockDim.x) / kWarp; ++w) {
    if (w < warp) scan.before += warp_totals[w];
    scan.total += warp_totals[w];
  }
  return scan;
}

__device__ int total_units(const DecodeSequences& step, int unit, int* warp_totals) {
  int units = 0;
  for (int row = static_cast<int>(threadIdx.x); row < step.num_rows;
       row += static_cast<int>(blockDim.x))
    units += full_units(step.length(row), unit);
  return scan_block(units, warp_totals).total;
}

__device__ int64_t rounds_cost(int items, int num_blocks, int unit) {
  const int rounds = (items + num_blocks - 1) / num_blocks;
  return static_cast<int64_t>(rounds) * (unit / kDecodeTile + 1);
}

// The result of a part for four columns.
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

__device__ Part empty_part() { return {{-INFINITY, 0}, {0, 0, 0, 0}}; }

__device__ Part load_part(const DecodeParts& parts, int item, int column) {
  const int64_t at = static_cast<int64_t>(item) * gridDim.y + blockIdx.y;
  return {parts.stats[at],
          *reinterpret_cast<const float4*>(parts.sums + at * kDecodeLatent + column)};
}

template <typename ItemOf>
__device__ Part merge_splits(const DecodeParts& parts, int first, int count, int column,
                             ItemOf&& item_of) {
  Part loaded[kSplitsPerGroup], group = empty_part();
#pragma unroll
  for (int i = 0; i < kSplitsPerGroup; ++i)
    if (i < count) loaded[i] = load_part(parts, item_of(first + i), column);
#pragma unroll
  for (int i = 0; i < kSplitsPerGroup; ++i)
    if (i < count) group.take(loaded[i]);
  return group;
}

// Row blockIdx.x's items, in units and in groups of units.
struct RowItems {
  DecodePlan plan;
  int row, num_full, per_group;
  DecodeRow of_row;

  __device__ RowItems(const DecodeParts& parts, int row_index)
      : plan(*parts.plan),
        row(row_index),
        per_group(plan.unit == kSplit ? kSplitsPerGroup : 1),
        of_row(parts.rows[row]) {
    num_full = parts.rows[row + 1].begin - of_row.begin;
  }

  __device__ int num_groups() const { return (num_full + per_group) / per_group; }
  __device__ int item(int unit) const {
    return unit < num_full ? of_row.begin + unit : plan.num_full + row;
  }
  __device__ Part load_group(const DecodeParts& parts, int group, int column) const {
    if (plan.unit != kSplit) return load_part(parts, item(group), column);
    const int first_unit = group * per_group;
    return merge_splits(parts, first_unit, min(per_group, num_full + 1 - first_unit), column,
                        [&](int unit) { return item(unit); });
  }
  // Where the unit is the whole row, its groups are merged already.
  __device__ void take(Part& whole, const Part& group) const {
    if (plan.unit == kWholeRow)
      whole = group;
    else
      whole.take(group);
  }
};

__device__ void store_row(const DecodeRow& row, int column, const Part& whole,
                          const Rows<__nv_bfloat16>& out) {
  __nv_bfloat16* to = out[row.token] + static_cast<int>(blockIdx.y) * kDecodeLatent + column;
  const float sums[4] = {whole.sums.x, whole.sums.y, whole.sums.z, whole.sums.w};
  const bool is_empty = row.length == 0;
  for (int i = 0; i < 4; ++i)
    to[i] = from_f32<__nv_bfloat16>(is_empty ? 0.0f : sums[i] / whole.stats.total);
}

}  // namespace

__global__ void plan_decode(DecodeSequences step, int num_blocks, int max_full, DecodePlan* plan,
                            DecodeRow* rows) {
  let_next_start();
  wait_for_previous();
  __shared__ int warp_totals[kMaxWarps];
  const int splits = total_units(step, kSplit, warp_totals);
  const int groups = total_units(step, kGroup, warp_totals);
  const int64_t split_cost = rounds_cost(splits + step.num_rows, num_blocks, kSplit);
  const int64_t group_cost = rounds_cost(groups + step.num_rows, num_blocks, kGroup);
  int unit = kWholeRow;
  if (splits <= max_full && split_cost <= group_cost)
    unit = kSplit;
  else if (groups <= max_full)
    unit = kGroup;

  int num_full = 0;
  for (int first = 0; first < step.num_rows; first += static_cast<int>(blockDim.x)) {
    const int row = first + static_cast<int>(threadIdx.x);
    const bool is_row = row < step.num_rows;
    const BlockScan scan = scan_block(is_row ? full_units(step.length(row), unit) : 0, warp_totals);
    if (is_row) {
      rows[row] = {num_full + scan.before, step.length(row),
                   step.page_begin[max(step.sequence(row), 0)], step.rows[row]};
    }
    num_full += scan.total;
  }
  if (threadIdx.x == 0) {
    rows[step.num_rows].begin = num_full;
    *plan = {unit, num_full, num_full + step.num_rows};
  }
}

__global__ void combine_decode(DecodeParts parts, Rows<__nv_bfloat16> out) {
  let_next_start();
  wait_for_previous();
  __shared__ Part groups[kCombineWarps][kWarp];
  const int lane = static_cast<int>(threadIdx.x), warp = static_cast<int>(threadIdx.y);
  const int column = static_cast<int>(blockIdx.z) * kCombineColumns + 4 * lane;
  const RowItems items(parts, static_cast<int>(blockIdx.x));
  const int num_groups = items.num_groups();
  Part whole = empty_part();
  for (int begin = 0; begin < num_groups; begin += kCombineWarps) {
    if (begin + warp < num_groups)
      groups[warp][lane] = items.load_group(parts, begin + warp, column);
    __syncthreads();
    if (warp == 0) {
      for (int i = 0; i < min(kCombineWarps, num_groups - begin); ++i)
        items.take(whole, groups[i][lane]);
    }
    __syncthreads();
  }
  if (warp == 0) store_row(items.of_row, column, whole, out);
}

__global__ void combine_many(DecodeParts parts, Rows<__nv_bfloat16> out) {
  let_next_start();
  wait_for_previous();
  const int column =
      static_cast<int>(threadIdx.y) * kCombineColumns + 4 * static_cast<int>(threadIdx.x);
  const RowItems items(parts, static_cast<int>(blockIdx.x));
  Part whole = empty_part();
  for (int group = 0; group < items.num_groups(); ++group)
    items.take(whole, items.load_group(parts, group, column));
  store_row(items.of_row, column, whole, out);
}

}  // namespace glint::cuda
