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

__device__ Part load_part(const DecodeParts& parts, int item) {
  const int64_t at = static_cast<int64_t>(item) * gridDim.y + blockIdx.y;
  const int column = static_cast<int>(blockIdx.z * kCombineColumns + 4 * threadIdx.x);
  return {parts.stats[at],
          *reinterpret_cast<const float4*>(parts.sums + at * kDecodeLatent + column)};
}

// Splits [first, first + count) of a row's units, all loaded before the first is merged.
template <typename ItemOf>
__device__ Part merge_splits(const DecodeParts& parts, int first, int count, ItemOf&& item_of) {
  Part loaded[kSplitsPerGroup], group = empty_part();
#pragma unroll
  for (int i = 0; i < kSplitsPerGroup; ++i)
    if (i < count) loaded[i] = load_part(parts, item_of(first + i));
#pragma unroll
  for (int i = 0; i < kSplitsPerGroup; ++i)
    if (i < count) group.take(loaded[i]);
  return group;
}

}  // namespace

__global__ void plan_decode(DecodeSequences step, int num_blocks, int max_full, DecodePlan* plan,
                            int* begin) {
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
    if (is_row) begin[row] = num_full + scan.before;
    num_full += scan.total;
  }
  if (threadIdx.x == 0) {
    begin[step.num_rows] = num_full;
    *plan = {unit, num_full, num_full + step.num_rows};
  }
}

__global__ void combine_decode(DecodeSequences step, DecodeParts parts, Rows<__nv_bfloat16> out) {
  let_next_start();
  wait_for_previous();
  __shared__ Part groups[kCombineWarps][kWarp];
  const int lane = static_cast<int>(threadIdx.x), warp = static_cast<int>(threadIdx.y);
  const int row = static_cast<int>(blockIdx.x), head = static_cast<int>(blockIdx.y);
  const DecodePlan plan = *parts.plan;
  const int first_item = parts.begin[row], num_full = parts.begin[row + 1] - first_item;
  const int num_units = num_full + 1;
  const auto item_of = [&](int unit) {
    return unit < num_full ? first_item + unit : plan.num_full + row;
  };
  const int per_group = plan.unit == kSplit ? kSplitsPerGroup : 1;
  const int num_groups = (num_units + per_group - 1) / per_group;
  Part whole = empty_part();
  for (int begin = 0; begin < num_groups; begin += kCombineWarps) {
    const int group = begin + warp, first = group * per_group;
    if (group < num_groups) {
      groups[warp][lane] =
          plan.unit == kSplit
              ? merge_splits(parts, first, min(per_group, num_units - first), item_of)
              : load_part(parts, item_of(group));
    }
    __syncthreads();
    if (warp == 0) {
      for (int i = 0; i < min(kCombineWarps, num_groups - begin); ++i) {
        if (plan.unit == kWholeRow)
          whole = groups[i][lane];  // its groups are merged already
        else
          whole.take(groups[i][lane]);
      }
    }
    __syncthreads();
  }
  if (warp != 0) return;
  const int column = static_cast<int>(blockIdx.z) * kCombineColumns + 4 * lane;
  __nv_bfloat16* to = out[step.rows[row]] + head * kDecodeLatent + column;
  const float sums[4] = {whole.sums.x, whole.sums.y, whole.sums.z, whole.sums.w};
  const bool is_empty = step.length(row) == 0;
  for (int i = 0; i < 4; ++i)
    to[i] = from_f32<__nv_bfloat16>(is_empty ? 0.0f : sums[i] / whole.stats.total);
}

}  // namespace glint::cuda
