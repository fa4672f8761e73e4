#pragma once

// Which part of which row a block of the decode kernel attends, and how parts are put together.
//
// A row's cached rows are cut at fixed positions: splits of 128, eight of them a group. The softmax
// of a split is summed from nothing; a group's is its splits merged in order, a row's its groups
// merged in order. That is the arithmetic, whoever does it: with few rows an item of work is a
// split, with many a group, with very many a row, and the bits are the same.

#include <climits>

#include "backend/cuda/kernel.cuh"

namespace glint::cuda {

constexpr int kDecodeTile = 64;  // KV rows at once: a page
constexpr int kSplit = 128;
constexpr int kGroup = 1024;
constexpr int kSplitsPerGroup = kGroup / kSplit;
constexpr int kWholeRow = INT_MAX;

struct DecodeSequences {
  const int32_t* rows;  // the listed tokens
  int num_rows;
  const int32_t* positions;
  const int32_t* token_sequence;
  const int32_t* page_begin;
  const int32_t* pages;
  __device__ int sequence(int row) const { return token_sequence[rows[row]]; }
  __device__ int length(int row) const { return sequence(row) < 0 ? 0 : positions[rows[row]] + 1; }
};

// What the plan says of a row: with it, and a page id, a block finds its cached rows.
struct alignas(16) DecodeRow {
  int begin;       // its first item
  int length;      // cached rows, itself included
  int page_begin;  // of its sequence, in StepView::pages
  int token;
};

// In device memory. Items [0, num_full) are whole units, those of row r from its begin on; item
// num_full + r is what is left of row r, 1 to `unit` cached rows; none of a row of no sequence.
struct alignas(16) DecodePlan {
  int unit;  // kSplit, kGroup or kWholeRow
  int num_full;
  int num_items;
};

struct DecodeWork {
  int num_rows;
  const DecodePlan* plan;
  const DecodeRow* rows;  // [num_rows + 1]: the last only begins
  const int32_t* pages;
};

__device__ inline int full_units(int length, int unit) { return (length - 1) / unit; }

// The tile that a block is at: of its items, those gridDim.x apart.
struct DecodeCursor {
  DecodePlan plan;
  int item, row, token, begin, end, position;
  const int32_t* pages;

  __device__ bool done() const { return item >= plan.num_items; }
  __device__ bool begins_item() const { return position == begin; }
  __device__ bool ends_item() const { return position + kDecodeTile >= end; }
  __device__ bool ends(int part) const {
    return ends_item() || (position + kDecodeTile) % part == 0;
  }
  __device__ int num_rows() const { return min(kDecodeTile, end - position); }

  __device__ void start(const DecodeWork& work, int next_item) {
    item = next_item;
    if (done()) return;
    const bool is_full = item < plan.num_full;
    row = is_full ? row_of(work, item) : item - plan.num_full;
    const DecodeRow of_row = work.rows[row];
    begin = is_full ? (item - of_row.begin) * plan.unit
                    : (work.rows[row + 1].begin - of_row.begin) * plan.unit;
    end = is_full ? begin + plan.unit : of_row.length;
    position = begin;
    token = of_row.token;
    pages = work.pages + of_row.page_begin;
  }
  __device__ void advance(const DecodeWork& work) {
    if (ends_item())
      start(work, item + static_cast<int>(gridDim.x));
    else
      position += kDecodeTile;
  }

 private:
  // The last row whose units begin at or before the item.
  __device__ int row_of(const DecodeWork& work, int full_item) const {
    int low = 0, high = work.num_rows;  // begin of low <= item < begin of high
    while (high - low > 1) {
      const int middle = (low + high) / 2;
      (work.rows[middle].begin <= full_item ? low : high) = middle;
    }
    return low;
  }
};

// What a part of a row's cached rows comes to for one head, in powers of two: `sum` beside it.
struct PartStats {
  float max;
  float total;
};
struct MergeScales {
  float first, second;
};
// `first` becomes the whole of both; their sums are to be scaled so before they are added.
__device__ inline MergeScales merge(PartStats& first, const PartStats& second) {
  const float max = fmaxf(first.max, second.max);
  const MergeScales scales{exp2f(first.max - max), exp2f(second.max - max)};
  first = {max, fmaf(first.total, scales.first, second.total * scales.second)};
  return scales;
}
__device__ inline float merged(float first, float second, const MergeScales& scales) {
  return fmaf(first, scales.first, second * scales.second);
}

// One block. Chooses the unit that ends sooner on `num_blocks` blocks, in tiles of time, an item
// costing one beside its own; at most max_full items are whole units.
constexpr int kPlanThreads = 256;
__global__ void plan_decode(DecodeSequences step, int num_blocks, int max_full, DecodePlan* plan,
                            DecodeRow* rows);

// What the items came to.
struct DecodeParts {
  const DecodePlan* plan;
  const DecodeRow* rows;   // [num_rows + 1]
  const float* sums;       // [item, num_heads, kDecodeLatent], aligned to 16 bytes
  const PartStats* stats;  // [item, num_heads]
};

// Merges a row's parts into out[token, head * kDecodeLatent + column]. Grid: rows, heads, columns /
// kCombineColumns; block: kWarp x kCombineWarps, a warp to a group.
constexpr int kDecodeLatent = 512;
constexpr int kCombineWarps = 8;
constexpr int kCombineColumns = 4 * kWarp;
__global__ void combine_decode(DecodeParts parts, Rows<__nv_bfloat16> out);
// The same for many rows, a warp to 128 columns. Grid: rows, heads; block: kWarp x kDecodeLatent /
// kCombineColumns.
__global__ void combine_many(DecodeParts parts, Rows<__nv_bfloat16> out);

}  // namespace glint::cuda
