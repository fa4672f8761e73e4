#pragma once

// Which part of which row a block of the decode kernel attends, and how parts are put together.
//
// A row's cached rows are cut at fixed positions: tiles of 64, 4, 8 or 16 of them a group, by the
// row's own length. The softmax of a tile is summed from nothing; a group's is its tiles merged in
// order, a row's its groups merged in order. That is the arithmetic, whoever does it: with few rows
// an item of work is a tile, with more a group, with many a row, and the bits are the same.

#include <cmath>

#include "backend/cuda/kernel.cuh"
#include "backend/cuda/ptx.cuh"

namespace glint::cuda {

constexpr int kDecodeTile = 64;  // KV rows at once: a page
constexpr int kDecodeLatent = 512;
constexpr int kDecodeRow = kDecodeLatent + 64;

struct DecodeSequences {
  const int32_t* rows;  // the listed tokens
  int num_rows;
  const int32_t* positions;
  const int32_t* token_sequence;
  const int32_t* page_begin;
  const int32_t* pages;
  __device__ int sequence(int row) const { return token_sequence[rows[row]]; }
  __device__ int length(int row) const { return sequence(row) < 0 ? 0 : positions[rows[row]] + 1; }
  // At least so many of the sequence's first rows are of steps before, and no kernel of this step
  // writes them. Its tokens of this step stand together, in the order of their positions.
  __device__ int num_settled(int row) const {
    const int token = rows[row];
    const bool is_first = token == 0 || token_sequence[token - 1] != token_sequence[token];
    return is_first ? positions[token] : max(0, positions[token] - token);
  }
};

// Cached rows of a group in a row of this length: few parts where they are long anyway, small ones
// where there would be too few for all blocks.
__host__ __device__ constexpr int group_rows(int length) {
  return length <= 2048 ? 256 : length <= 8192 ? 512 : 1024;
}

// What the plan says of a row, to those who merge its parts.
struct alignas(16) DecodeRow {
  int first_part;
  int num_parts;        // none: the row is one item, which is in its place already
  int parts_per_group;  // a power of two
  int token;
};

// A part of a row: its cached rows from position `begin` up to `end`. All that a block reads before
// it can ask for cached rows, so that it waits for memory once.
struct alignas(16) DecodeItem {
  int token;  // negative in shared memory alone: there are no more items
  int begin, end;
  int group_rows;
  int page_begin;   // of its sequence, in StepView::pages
  int first_page;   // that of `begin`
  int num_settled;  // of its first tiles: no kernel of the step writes them
  int part;         // where its sums go, negative: it is all of its row
  __device__ int num_tiles() const { return (end - begin + kDecodeTile - 1) / kDecodeTile; }
};

struct DecodePlan {
  int num_items;
};

// The plan's parts in device memory, for num_rows rows.
struct PlanMemory {
  DecodePlan* plan;
  DecodeRow* rows;    // [num_rows]
  DecodeItem* items;  // [most parts + num_rows], the largest first
  int* lengths;       // [num_rows], for plan_decode() alone
};

// What a block of the decode kernel reads.
struct DecodeWork {
  const DecodePlan* plan;
  const DecodeItem* items;
  const int32_t* pages;
};

// Places in DecodeWork::items that a block deals with, in order: there and back again, so that who
// has had the largest item of one turn has the smallest of the next.
struct Turns {
  int place, other_way;  // the next place, and that of its mirror image
  int num_blocks;
  __device__ Turns(int block, int blocks)
      : place(block), other_way(2 * blocks - 1 - block), num_blocks(blocks) {}
  __device__ void advance() {
    const int next = other_way;
    other_way = place + 2 * num_blocks;
    place = next;
  }
};

// What a part of a row's cached rows comes to for one head, in powers of two: `sum` beside it.
struct PartStats {
  float max;
  float total;
};
constexpr PartStats kNothing{-INFINITY, 0};  // with sums of zero: another part joins it unchanged
struct MergeScales {
  float first, second;
};
// Of two parts with these maxima, before what they sum is added.
__device__ inline MergeScales merge_scales(float first_max, float second_max) {
  const float max = fmaxf(first_max, second_max);
  return {fast_exp2(first_max - max), fast_exp2(second_max - max)};
}
__device__ inline float merged(float first, float second, const MergeScales& scales) {
  return fmaf(second, scales.second, first * scales.first);
}
// `first` becomes the whole of both.
__device__ inline MergeScales merge(PartStats& first, const PartStats& second) {
  const MergeScales scales = merge_scales(first.max, second.max);
  first = {fmaxf(first.max, second.max), merged(first.total, second.total, scales)};
  return scales;
}

// One block. Chooses the unit that ends soonest on `num_blocks` blocks; at most max_parts.
constexpr int kPlanThreads = 256;
__global__ void plan_decode(DecodeSequences step, int num_blocks, int max_parts, PlanMemory memory);
// One warp, behind it. Whoever begins when this has triggered begins when the plan is complete, and
// may read it before its own wait.
__global__ void settle_plan();

// A head's sums in a part are stored as the decode kernel's threads have them: two halves of the
// columns, in each [64, 4], of which column c is at [c % 64, c / 64].
constexpr int kPartHalf = kDecodeLatent / 2;
constexpr int kPartBoxes = kPartHalf / 64;

// What the items came to, but for rows that are one.
struct DecodeParts {
  const DecodeRow* rows;   // [num_rows]
  const float* sums;       // [part, num_heads, kDecodeLatent], aligned to 16 bytes
  const PartStats* stats;  // [part, num_heads]
  int num_heads;
};

// Merges the parts of each row that has several into out[token, head * kDecodeLatent + column], a
// thread four columns. The plan is read before the wait for the kernel before.
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
