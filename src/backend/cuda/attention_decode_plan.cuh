#pragma once

// Which part of which row a block of the decode kernel attends, and how parts are put together.
//
// A row's cached rows are cut at fixed positions: splits of 128, four of them a group. The softmax
// of a split is summed from nothing; a group's is its splits merged in order, a row's its groups
// merged in order. That is the arithmetic, whoever does it: with few rows an item of work is a
// split, with more a group, with very many a row, and the bits are the same.

#include <climits>

#include "backend/cuda/kernel.cuh"

namespace glint::cuda {

constexpr int kDecodeTile = 64;  // KV rows at once: a page
constexpr int kDecodeLatent = 512;
constexpr int kDecodeRow = kDecodeLatent + 64;
constexpr int kSplit = 128;
constexpr int kGroup = 512;
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

// What the plan says of a row, to those who merge its parts.
struct alignas(16) DecodeRow {
  int begin;   // its first item
  int length;  // cached rows, itself included
  int token;
};

// A part of a row: its cached rows from position `begin` up to `end`. All that a block reads before
// it can ask for cached rows, so that it waits for memory once.
struct alignas(16) DecodeItem {
  int token;
  int begin, end;
  int page_begin;  // of its sequence, in StepView::pages
  int first_page;  // that of `begin`
  bool is_only;    // of its row: there is nothing to merge
  __device__ int num_tiles() const { return (end - begin + kDecodeTile - 1) / kDecodeTile; }
};

// In device memory. Items [0, num_full) are whole units, those of row r from its begin on; item
// num_full + r is what is left of row r, 1 to `unit` cached rows; none of a row of no sequence.
struct alignas(16) DecodePlan {
  int unit;  // kSplit, kGroup or kWholeRow
  int num_full;
  int num_items;
};

// The plan's parts in device memory, for num_rows rows.
struct PlanMemory {
  DecodePlan* plan;
  DecodeRow* rows;    // [num_rows + 1]: the last only begins
  DecodeItem* items;  // [max_full + num_rows]
};

// What a block of the decode kernel reads.
struct DecodeWork {
  const DecodePlan* plan;
  const DecodeItem* items;
  const int32_t* pages;
};

__device__ inline int full_units(int length, int unit) { return (length - 1) / unit; }

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

// One block. Chooses the unit that ends sooner on `num_blocks` blocks; at most max_full items are
// whole units.
constexpr int kPlanThreads = 256;
__global__ void plan_decode(DecodeSequences step, int num_blocks, int max_full, PlanMemory memory);

// What the items came to.
struct DecodeParts {
  const DecodePlan* plan;
  const DecodeRow* rows;   // [num_rows + 1]
  const float* sums;       // [item, num_heads, kDecodeLatent], aligned to 16 bytes
  const PartStats* stats;  // [item, num_heads]
  int num_heads;
};

// Merges the parts of each row that has several into out[token, head * kDecodeLatent + column], a
// thread four columns. The plan is read before the wait for the kernel before, which lets these
// start only when it is complete.
constexpr int kCombineQuarters = kDecodeLatent / (4 * kWarp);
// Few rows: a warp merges a group. Grid: rows, heads, kCombineQuarters; block: kWarp,
// kCombineWarps.
constexpr int kCombineWarps = 8;
__global__ void combine_few(DecodeParts parts, Rows<__nv_bfloat16> out);
// Many: a warp merges all. Grid: rows, pairs of heads; block: kWarp, kCombineQuarters,
// kCombineHeads.
constexpr int kCombineHeads = 2;
__global__ void combine_many(DecodeParts parts, Rows<__nv_bfloat16> out);

}  // namespace glint::cuda
