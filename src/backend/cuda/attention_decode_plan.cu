// The plan of decode attention: rows become items, and items are dealt out. One block, once a step.

#include <climits>

#include "backend/cuda/attention_decode_plan.cuh"

namespace glint::cuda {
namespace {

constexpr int kMaxWarps = kPlanThreads / kWarp;

// ---- units

enum class Unit { kTile, kGroup, kRow };

// The first num_whole rows are an item each, the others are cut into units. With a few rows more
// than blocks, or twice as many, the few would keep all waiting.
struct Choice {
  Unit unit;
  int num_whole;
  __device__ Unit of_row(int row) const { return row < num_whole ? Unit::kRow : unit; }
};

// How a row of this length is cut into items.
struct Cut {
  int length;
  int unit_rows;  // of all items but the last
  int num_items;

  __device__ Cut(int row_length, Unit unit) : length(row_length) {
    unit_rows = unit == Unit::kTile    ? kDecodeTile
                : unit == Unit::kGroup ? group_rows(length)
                                       : max(length, 1);
    num_items = max(1, (length + unit_rows - 1) / unit_rows);
  }

  __device__ int num_parts() const { return num_items > 1 ? num_items : 0; }
  __device__ int begin(int item) const { return item * unit_rows; }
  __device__ int end(int item) const { return min(length, (item + 1) * unit_rows); }
};

__device__ int tiles_of(int num_rows) { return (num_rows + kDecodeTile - 1) / kDecodeTile; }

// ---- order

// Items are dealt out by their number of tiles, in classes: one for each number below 16, then
// eight for each doubling.
constexpr int kClasses = 128;
__device__ int class_of(int tiles) {
  if (tiles < 16) return tiles;
  const int log = 31 - __clz(tiles);
  return min(kClasses - 1, 8 * log - 16 + (tiles >> (log - 3)) % 8);
}
__device__ int tiles_of_class(int size_class) {
  if (size_class < 16) return size_class;
  return (8 + size_class % 8) << (size_class / 8 - 1);
}

// Places of items in the order, the largest first.
struct Order {
  int count[kClasses];  // by class
  int begin[kClasses];  // of a class; as items are written, its next free place
};

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
  for (int w = 0; w < kMaxWarps; ++w) {
    if (w < warp) scan.before += warp_totals[w];
    scan.total += warp_totals[w];
  }
  return scan;
}

// f(i) for this thread's share of [0, count).
template <typename F>
__device__ void for_share(int count, F&& f) {
#pragma unroll 1
  for (int i = static_cast<int>(threadIdx.x); i < count; i += kPlanThreads) f(i);
}

// Fills `order`; returns how many tiles and parts there are.
struct Totals {
  int tiles, parts;
};
__device__ Totals order_items(const int* lengths, int num_rows, const Choice& choice, Order& order,
                              int* warp_totals) {
  const int thread = static_cast<int>(threadIdx.x);
  __syncthreads();  // the order may still be read
  if (thread < kClasses) order.count[thread] = 0;
  __syncthreads();
  int tiles = 0, parts = 0;
  for_share(num_rows, [&](int row) {
    const Cut cut(lengths[row], choice.of_row(row));
    const int last = cut.num_items - 1;
    if (last > 0) atomicAdd(&order.count[class_of(cut.unit_rows / kDecodeTile)], last);
    atomicAdd(&order.count[class_of(tiles_of(cut.length - cut.begin(last)))], 1);
    tiles += tiles_of(cut.length);
    parts += cut.num_parts();
  });
  __syncthreads();
  const int size_class = kClasses - 1 - thread;
  const BlockScan places = scan_block(size_class < 0 ? 0 : order.count[size_class], warp_totals);
  if (size_class >= 0) order.begin[size_class] = places.before;
  return {scan_block(tiles, warp_totals).total, scan_block(parts, warp_totals).total};
}

// The class of the item at a place.
__device__ int class_at(const Order& order, int place) {
  int low = 0, high = kClasses - 1;  // begin of high <= place: higher classes begin earlier
#pragma unroll 1
  while (low < high) {
    const int middle = (low + high) / 2;
    if (order.begin[middle] <= place)
      high = middle;
    else
      low = middle + 1;
  }
  return low;
}

// Tiles of the block that gets most of them.
__device__ int most_tiles(const Order& order, int num_items, int num_blocks) {
  __shared__ int most;
  if (threadIdx.x == 0) most = 0;
  __syncthreads();
  for_share(num_blocks, [&](int block) {
    int tiles = 0;
#pragma unroll 1
    for (Turns turns(block, num_blocks); turns.place < num_items; turns.advance())
      tiles += tiles_of_class(class_at(order, turns.place));
    atomicMax(&most, tiles);
  });
  __syncthreads();
  return most;
}

// ---- choice

// In eighths of what the memory needs for a tile when all blocks share it; a block alone takes five
// for it. A part is written and read again, which costs about a tile. The same in every thread.
__device__ int64_t cost(const int* lengths, int num_rows, const Choice& choice, int num_blocks,
                        int max_parts, Order& order, int* warp_totals) {
  const Totals totals = order_items(lengths, num_rows, choice, order, warp_totals);
  if (totals.parts > max_parts) return LLONG_MAX;
  const int num_items = order.begin[0] + order.count[0];
  const int64_t longest = most_tiles(order, num_items, num_blocks);
  return max(int64_t{8} * (totals.tiles + totals.parts), 5 * longest * num_blocks);
}

__device__ Choice choose(const int* lengths, int num_rows, int num_blocks, int max_parts,
                         Order& order, int* warp_totals) {
  const int whole_turns = num_rows / num_blocks * num_blocks;
  const Choice choices[] = {{Unit::kRow, num_rows},
                            {Unit::kGroup, 0},
                            {Unit::kTile, 0},
                            {Unit::kGroup, whole_turns},
                            {Unit::kTile, whole_turns}};
  Choice best = choices[0];
  int64_t best_cost = LLONG_MAX;
#pragma unroll 1
  for (int i = 0; i < (whole_turns > 0 ? 5 : 3); ++i) {
    const int64_t of_choice =
        cost(lengths, num_rows, choices[i], num_blocks, max_parts, order, warp_totals);
    if (of_choice < best_cost) best = choices[i], best_cost = of_choice;
  }
  return best;
}

// ---- items

// The row that has the part: the last whose parts begin at or before it.
__device__ int row_of(const DecodeRow* rows, int num_rows, int part) {
  int low = 0, high = num_rows;
#pragma unroll 1
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    (rows[middle].first_part <= part ? low : high) = middle;
  }
  return low;
}

__device__ DecodeItem make_item(const DecodeSequences& step, const Cut& cut, int row, int index,
                                int part) {
  const int begin = cut.begin(index), end = cut.end(index);
  const int page_begin = step.page_begin[max(step.sequence(row), 0)];
  const int settled_rows = min(step.num_settled(row), end) - begin;
  return {.token = step.rows[row],
          .begin = begin,
          .end = end,
          .group_rows = group_rows(cut.length),
          .page_begin = page_begin,
          .first_page = cut.length > 0 ? step.pages[page_begin + begin / kDecodeTile] : 0,
          .num_settled = max(0, settled_rows) / kDecodeTile,
          .part = part};
}

}  // namespace

__global__ void plan_decode(DecodeSequences step, int num_blocks, int max_parts,
                            PlanMemory memory) {
  let_next_start();
  wait_for_previous();
  // Aligned, so that reading all of it, four at once, reads nothing else.
  __shared__ alignas(16) int warp_totals[kMaxWarps];
  __shared__ Order order;
  for_share(step.num_rows, [&](int row) { memory.lengths[row] = step.length(row); });
  const Choice choice =
      choose(memory.lengths, step.num_rows, num_blocks, max_parts, order, warp_totals);
  order_items(memory.lengths, step.num_rows, choice, order, warp_totals);
  if (threadIdx.x == 0) memory.plan->num_items = order.begin[0] + order.count[0];

  int num_parts = 0;
#pragma unroll 1
  for (int first = 0; first < step.num_rows; first += kPlanThreads) {
    const int row = first + static_cast<int>(threadIdx.x);
    const bool is_row = row < step.num_rows;
    const Cut cut(is_row ? memory.lengths[row] : 0, choice.of_row(row));
    const BlockScan parts = scan_block(cut.num_parts(), warp_totals);
    if (is_row)
      memory.rows[row] = {num_parts + parts.before, cut.num_parts(),
                          max(1, group_rows(cut.length) / cut.unit_rows), step.rows[row]};
    num_parts += parts.total;
  }
  __syncthreads();

  const auto write = [&](int row, int index, int part) {
    const Cut cut(memory.lengths[row], choice.of_row(row));
    const DecodeItem item = make_item(step, cut, row, index, part);
    memory.items[atomicAdd(&order.begin[class_of(item.num_tiles())], 1)] = item;
  };
  for_share(num_parts, [&](int part) {
    const int row = row_of(memory.rows, step.num_rows, part);
    write(row, part - memory.rows[row].first_part, part);
  });
  for_share(step.num_rows, [&](int row) {
    if (memory.rows[row].num_parts == 0) write(row, 0, -1);
  });
}

__global__ void settle_plan() {
  wait_for_previous();
  let_next_start();
}

}  // namespace glint::cuda
