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

// What all rows come to in items of `unit` cached rows.
struct UnitTotals {
  int full;    // whole units
  int stored;  // items of rows that have several
};
__device__ UnitTotals total_units(const DecodeSequences& step, int unit, int* warp_totals) {
  int full = 0, stored = 0;
  for (int row = static_cast<int>(threadIdx.x); row < step.num_rows;
       row += static_cast<int>(blockDim.x)) {
    const int of_row = full_units(step.length(row), unit);
    full += of_row;
    stored += of_row > 0 ? of_row + 1 : 0;
  }
  return {scan_block(full, warp_totals).total, scan_block(stored, warp_totals).total};
}

// Tiles of all rows, and of the longest.
struct TileTotals {
  int all, longest;
};
__device__ TileTotals total_tiles(const DecodeSequences& step, int* warp_totals) {
  __shared__ int longest;
  if (threadIdx.x == 0) longest = 0;
  __syncthreads();
  int all = 0, most = 0;
  for (int row = static_cast<int>(threadIdx.x); row < step.num_rows;
       row += static_cast<int>(blockDim.x)) {
    const int tiles = (step.length(row) + kDecodeTile - 1) / kDecodeTile;
    all += tiles;
    most = max(most, tiles);
  }
  atomicMax(&longest, most);
  return {scan_block(all, warp_totals).total, longest};  // the scan waits for all threads
}

// The longer of two times. Memory: tiles, and two for each item that is stored and merged. A
// block's: its items, each a tile beside its own; alone it takes three quarters of the time for a
// tile that it takes when all blocks share the memory's rate.
__device__ int64_t cost(const TileTotals& tiles, int items, int stored, int unit_tiles,
                        int num_blocks) {
  const int rounds = (items + num_blocks - 1) / num_blocks;
  const int64_t memory = tiles.all + 2 * stored;
  const int64_t longest = int64_t{rounds} * (min(unit_tiles, tiles.longest) + 1) * num_blocks;
  return max(4 * memory, 3 * longest);
}

// The same in every thread.
__device__ int choose_unit(const DecodeSequences& step, int num_blocks, int max_full,
                           int* warp_totals) {
  const TileTotals tiles = total_tiles(step, warp_totals);
  int best_unit = kWholeRow;
  int64_t best_cost = cost(tiles, step.num_rows, 0, tiles.longest, num_blocks);
  const int units[] = {kGroup, kSplit};
  for (const int unit : units) {
    const UnitTotals totals = total_units(step, unit, warp_totals);
    const int64_t unit_cost =
        cost(tiles, totals.full + step.num_rows, totals.stored, unit / kDecodeTile, num_blocks);
    if (totals.full <= max_full && unit_cost < best_cost) best_unit = unit, best_cost = unit_cost;
  }
  return best_unit;
}

// The last row whose units begin at or before the item.
__device__ int row_of(const DecodeRow* rows, int num_rows, int full_item) {
  int low = 0, high = num_rows;  // begin of low <= item < begin of high
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    (rows[middle].begin <= full_item ? low : high) = middle;
  }
  return low;
}

__device__ DecodeItem make_item(const DecodeSequences& step, const DecodePlan& plan,
                                const DecodeRow* rows, int item) {
  const bool is_full = item < plan.num_full;
  const int row = is_full ? row_of(rows, step.num_rows, item) : item - plan.num_full;
  const int num_full = rows[row + 1].begin - rows[row].begin;
  const int begin = (is_full ? item - rows[row].begin : num_full) * (num_full > 0 ? plan.unit : 0);
  const int page_begin = step.page_begin[max(step.sequence(row), 0)];
  return {.token = rows[row].token,
          .begin = begin,
          .end = is_full ? begin + plan.unit : rows[row].length,
          .page_begin = page_begin,
          .first_page = rows[row].length > 0 ? step.pages[page_begin + begin / kDecodeTile] : 0,
          .is_only = num_full == 0};
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

// The items of a row, in order.
struct RowItems {
  DecodePlan plan;
  DecodeRow of_row;
  int row, count;

  __device__ RowItems(const DecodeParts& parts, int row_index)
      : plan(*parts.plan), of_row(parts.rows[row_index]), row(row_index) {
    count = parts.rows[row + 1].begin - of_row.begin + 1;
  }
  __device__ int operator[](int i) const {
    return i + 1 < count ? of_row.begin + i : plan.num_full + row;
  }
  __device__ int per_group() const { return plan.unit == kSplit ? kSplitsPerGroup : 1; }
};

__device__ Part load_part(const DecodeParts& parts, int item, int head, int column) {
  const int64_t at = static_cast<int64_t>(item) * parts.num_heads + head;
  return {parts.stats[at],
          *reinterpret_cast<const float4*>(parts.sums + at * kDecodeLatent + column)};
}

// As many parts are asked for at once as a group has splits, twice.
__device__ Part merge_row(const DecodeParts& parts, const RowItems& items, int head, int column) {
  constexpr int kAtOnce = 2 * kSplitsPerGroup;
  const int per_group = items.per_group();
  Part whole = empty_part(), group = empty_part();
  for (int first = 0; first < items.count; first += kAtOnce) {
    Part loaded[kAtOnce];
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i)
      if (first + i < items.count) loaded[i] = load_part(parts, items[first + i], head, column);
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) {
      const int next = first + i + 1;
      if (next > items.count) break;
      group.take(loaded[i]);
      if (next % per_group != 0 && next != items.count) continue;
      whole.take(group);
      group = empty_part();
    }
  }
  return whole;
}

// One group of it.
__device__ Part merge_group(const DecodeParts& parts, const RowItems& items, int index, int head,
                            int column) {
  const int first = index * items.per_group();
  const int count = min(items.per_group(), items.count - first);
  Part loaded[kSplitsPerGroup], group = empty_part();
#pragma unroll
  for (int i = 0; i < kSplitsPerGroup; ++i)
    if (i < count) loaded[i] = load_part(parts, items[first + i], head, column);
#pragma unroll
  for (int i = 0; i < kSplitsPerGroup; ++i)
    if (i < count) group.take(loaded[i]);
  return group;
}

__device__ void store_row(const Rows<__nv_bfloat16>& out, const RowItems& items, int head,
                          int column, const Part& whole) {
  __nv_bfloat16* to = out[items.of_row.token] + head * kDecodeLatent + column;
  const float sums[4] = {whole.sums.x, whole.sums.y, whole.sums.z, whole.sums.w};
  const float share = 1 / whole.stats.total;
  for (int i = 0; i < 4; ++i) to[i] = from_f32<__nv_bfloat16>(sums[i] * share);
}

}  // namespace

__global__ void plan_decode(DecodeSequences step, int num_blocks, int max_full, PlanMemory memory) {
  let_next_start();
  wait_for_previous();
  __shared__ int warp_totals[kMaxWarps];
  const int unit = choose_unit(step, num_blocks, max_full, warp_totals);
  int num_full = 0;
  for (int first = 0; first < step.num_rows; first += static_cast<int>(blockDim.x)) {
    const int row = first + static_cast<int>(threadIdx.x);
    const bool is_row = row < step.num_rows;
    const BlockScan scan = scan_block(is_row ? full_units(step.length(row), unit) : 0, warp_totals);
    if (is_row) memory.rows[row] = {num_full + scan.before, step.length(row), step.rows[row]};
    num_full += scan.total;
  }
  const DecodePlan plan{unit, num_full, num_full + step.num_rows};
  if (threadIdx.x == 0) {
    memory.rows[step.num_rows].begin = num_full;
    *memory.plan = plan;
  }
  __syncthreads();
  for (int item = static_cast<int>(threadIdx.x); item < plan.num_items;
       item += static_cast<int>(blockDim.x))
    memory.items[item] = make_item(step, plan, memory.rows, item);
}

__global__ void combine_few(DecodeParts parts, Rows<__nv_bfloat16> out) {
  let_next_start();
  __shared__ Part groups[kCombineWarps][kWarp];
  const RowItems items(parts, static_cast<int>(blockIdx.x));
  wait_for_previous();
  if (items.count == 1) return;  // the item is in its place already
  const int lane = static_cast<int>(threadIdx.x), warp = static_cast<int>(threadIdx.y);
  const int head = static_cast<int>(blockIdx.y);
  const int column = 4 * (static_cast<int>(blockIdx.z) * kWarp + lane);
  const int num_groups = (items.count + items.per_group() - 1) / items.per_group();
  Part whole = empty_part();
  for (int begin = 0; begin < num_groups; begin += kCombineWarps) {
    if (begin + warp < num_groups)
      groups[warp][lane] = merge_group(parts, items, begin + warp, head, column);
    __syncthreads();
    if (warp == 0) {
      for (int i = 0; i < min(kCombineWarps, num_groups - begin); ++i) whole.take(groups[i][lane]);
    }
    __syncthreads();
  }
  if (warp == 0) store_row(out, items, head, column, whole);
}

__global__ void combine_many(DecodeParts parts, Rows<__nv_bfloat16> out) {
  let_next_start();
  const RowItems items(parts, static_cast<int>(blockIdx.x));
  wait_for_previous();
  const int head = static_cast<int>(blockIdx.y * blockDim.z + threadIdx.z);
  if (items.count == 1 || head >= parts.num_heads) return;  // one item is in its place already
  const int column = 4 * static_cast<int>(threadIdx.y * kWarp + threadIdx.x);
  store_row(out, items, head, column, merge_row(parts, items, head, column));
}

}  // namespace glint::cuda
