#pragma once

// How a product is cut into tiles, and in which order a kernel's blocks take them. A group is one
// matrix of weights with its rows of x; a tile is some of its features times some of its rows. A
// row's bits do not depend on the tile that it is in.

#include <algorithm>

#include "base/host_device.h"

namespace glint::cuda::product {

inline constexpr int kMaxGroups = 256;
// A group's rows are cut into tiles of a multiple of these.
inline constexpr int kRowStep = 16;
// Tiles of rows that are taken before the next features are.
inline constexpr int kRowChunk = 8;

struct Tiling {
  int groups;
  int max_rows;               // of a group; where rows are not listed by group, of each
  bool is_listed;             // TilePlan::row_begin says which rows a group has
  int num_shared = 0;         // the last groups, which have more rows than the others
  bool deals_shared = false;  // large tiles of them come between those of the others
  int feature_tiles = 0;      // of a group
  int tile_rows = 0;          // the most of a tile, a multiple of 8
};

// Of all groups, in shared memory: where their tiles begin, and their rows.
struct TilePlan {
  int tile_begin[kMaxGroups + 1];
  int row_begin[kMaxGroups + 1];
};

// a / b of numbers below 2^22, b > 0: a fraction of the code of an integer's division.
GLINT_HOST_DEVICE inline int quotient(int a, int b) {
#ifdef __CUDA_ARCH__
  const float guess = __fdividef(static_cast<float>(a), static_cast<float>(b));
#else
  const float guess = static_cast<float>(a) / static_cast<float>(b);
#endif
  const int q = static_cast<int>(guess), rest = a - q * b;
  return rest < 0 ? q - 1 : rest >= b ? q + 1 : q;
}

// `count` tiles of `size` rows each, the last of what is left, which is at least one.
struct RowCut {
  int count, size;
};

// As few tiles as can be, about as many rows in each; with kTileRows, as many as that, which is
// less code.
template <int kTileRows = 0>
GLINT_HOST_DEVICE RowCut cut_rows(int num_rows, int tile_rows) {
  if constexpr (kTileRows > 0) return {(num_rows + kTileRows - 1) / kTileRows, kTileRows};
  const int count = quotient(num_rows + tile_rows - 1, tile_rows);
  if (count <= 1) return {count, tile_rows};
  const int even = quotient(num_rows + count - 1, count);
  const int size = (even + kRowStep - 1) / kRowStep * kRowStep;
  return {count, size < tile_rows ? size : tile_rows};
}

// A tile of gemm_large.cu: 256 rows of weights, or 128, and as many rows of x as there are
// registers for their sums; with k in parts these are two sets.
inline constexpr int kMostRows = 256, kMostRowsWide = 176, kMostRowsInParts = 192;
struct TileShape {
  int rows;
  bool is_wide;

  int weight_rows() const { return is_wide ? 256 : 128; }
};

// Clocks of a multiprocessor for a stage of 64 columns: of its tensor cores; of its shared memory,
// 128 bytes a clock, which products read and copies write; of the copies from L2, at 40 bytes a
// clock. Narrow tiles get up to 49 of these (docs/kernels/gemm.md), but of tiles that multiply as
// fast that one is better which copies less.
inline int stage_clocks(const TileShape& tile) {
  const int weights = tile.weight_rows(), rows = tile.rows;
  return std::max(
      {weights * rows / 32, 2 * weights + rows + weights * rows / 64, (weights + rows) * 128 / 40});
}

struct ProductSize {
  int rows;
  int weight_rows, groups;  // of a group
  bool in_parts;
};

// The tile with which `blocks` blocks that take one after another are done first.
inline TileShape best_tile(const ProductSize& product, int blocks) {
  TileShape best{0, false};
  int best_time = 0;
  const auto consider = [&](bool is_wide, int most) {
    for (int size = most; size >= kRowStep; size -= kRowStep) {
      const RowCut cut = cut_rows(product.rows, size);
      const TileShape tile{cut.size, is_wide};
      const int feature_tiles = (product.weight_rows + tile.weight_rows() - 1) / tile.weight_rows();
      const int tiles = cut.count * product.groups * feature_tiles;
      const int time = (tiles + blocks - 1) / blocks * stage_clocks(tile);
      if (best.rows == 0 || time < best_time) best = tile, best_time = time;
    }
  };
  consider(false, product.in_parts ? kMostRowsInParts : kMostRows);
  if (!product.in_parts) consider(true, kMostRowsWide);
  return best;
}

// Of groups that have `mean` rows on average, some of them more: most in one tile. All rows of a
// tile are copied, also those that the group does not have.
inline TileShape tile_of_groups(int mean) {
  const int rows = (mean + mean / 3 + kRowStep - 1) / kRowStep * kRowStep;
  return {std::clamp(rows, 2 * kRowStep, kMostRowsWide), true};
}

// Walks over the tiles index, index + stride, ...: group after group, a group's rows fastest, so
// that blocks side by side read the same weights; kRowChunk tiles of rows at a time, so that they
// read few rows too. Tiles of shared groups may come between those of the others: they multiply
// much and read little, which is best done beside others that do the opposite.
template <int kTileRows = 0>
struct TileWalk {
  const Tiling& tiling;
  const TilePlan& plan;
  int index, stride;
  int group = 0;
  int feature = 0;                  // of the tile, in tiles
  int group_begin = 0;              // of the group's rows among those of all groups
  int first_row = 0, num_rows = 0;  // the tile's, of the group's

  GLINT_HOST_DEVICE bool next() {
    if (index >= plan.tile_begin[tiling.groups]) return false;
    const bool deals = kTileRows == 0 && tiling.deals_shared;
    const int tile = deals ? dealt() : index;
    if (deals) group = 0;  // of the last tile, which may be behind this one
#ifdef __CUDA_ARCH__
#pragma unroll 1
#endif
    for (int above = tiling.groups; above - group > 1;) {  // the last that begins by `tile`
      const int middle = (group + above) / 2;
      (plan.tile_begin[middle] <= tile ? group : above) = middle;
    }
    group_begin = tiling.is_listed ? plan.row_begin[group] : 0;
    num_rows = tiling.is_listed ? plan.row_begin[group + 1] - group_begin : tiling.max_rows;
    feature = tile - plan.tile_begin[group];
    first_row = 0;
    if (num_rows > (kTileRows > 0 ? kTileRows : tiling.tile_rows)) walk_rows();
    index += stride;
    return true;
  }
  GLINT_HOST_DEVICE bool is_shared() const { return group >= tiling.groups - tiling.num_shared; }

 private:
  // Which tile comes in place `index`, with those of shared groups evenly between the others.
  GLINT_HOST_DEVICE int dealt() const {
    const auto all = static_cast<unsigned>(plan.tile_begin[tiling.groups]);
    const int others = plan.tile_begin[tiling.groups - tiling.num_shared];
    const unsigned shared = all - static_cast<unsigned>(others);
    const auto place = static_cast<unsigned>(index);
    // How many of the places before are theirs, and of those up to this one.
    const unsigned before = place * shared / all, with_this = (place + 1) * shared / all;
    return static_cast<int>(with_this > before ? static_cast<unsigned>(others) + before
                                               : place - before);
  }
  // `feature`, the tile's index in its group, becomes a feature and rows.
  GLINT_HOST_DEVICE void walk_rows() {
    const RowCut cut = cut_rows<kTileRows>(num_rows, tiling.tile_rows);
    const int in_group = feature;
    const int first = quotient(in_group, kRowChunk * tiling.feature_tiles) * kRowChunk;
    const int in_chunk = in_group - first * tiling.feature_tiles;
    const int chunk = kRowChunk < cut.count - first ? kRowChunk : cut.count - first;
    feature = quotient(in_chunk, chunk);
    first_row = (first + in_chunk - feature * chunk) * cut.size;
    num_rows = cut.size < num_rows - first_row ? cut.size : num_rows - first_row;
  }
};

}  // namespace glint::cuda::product
