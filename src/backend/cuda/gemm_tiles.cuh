#pragma once

// How gemm_wgmma.cu cuts a product into tiles, and what lies in shared memory.

#include "backend/cuda/gemm.h"
#include "backend/cuda/kernel.cuh"
#include "backend/cuda/ptx.cuh"

namespace glint::cuda::product {

using Bf16 = __nv_bfloat16;

inline constexpr int kTileK = 64;  // columns of a stage: 128 bytes
inline constexpr int kWarpgroup = 128;
inline constexpr int kMaxGroups = 256;
inline constexpr int kMostParts = 8;  // of k: the blocks that a cluster may have anywhere

// How a group's weights lie in memory (GemmArgs).
enum class Weights { kPlain, kSwiglu, kTransposed };

struct Problem {
  const Bf16* x;
  int64_t x_stride;
  void* out;
  int64_t out_stride;
  const int32_t* ids;
  const int32_t* begin;
  int x_group_columns, out_group_columns;
  int max_rows, in_divisor;
  int n, k, groups;
  int parts;             // of k
  bool streams_weights;  // nobody else reads them soon
  bool stores_whole;     // out can take 16 bytes at every multiple of 8 features
};

// kWarpgroups consumers of 64 weight rows each, kTileRows rows of x, a ring of kStages of kTileK
// columns. kAddsParts: one block sums all parts of k. Else the blocks of a cluster have one each.
template <int kTileRowsOf, int kWarpgroupsOf, int kStagesOf, int kBlocksPerSmOf,
          bool kAddsPartsOf = false>
struct Shape {
  static constexpr bool kAddsParts = kAddsPartsOf;
  static constexpr int kTileRows = kTileRowsOf;
  static constexpr int kWarpgroups = kWarpgroupsOf;
  static constexpr int kStages = kStagesOf;
  static constexpr int kBlocksPerSm = kBlocksPerSmOf;
  static constexpr int kThreads = (kWarpgroups + 1) * kWarpgroup;
  static constexpr int kWeightRows = 64 * kWarpgroups;
  static constexpr int kWeightBytes = kWeightRows * kTileK * 2;  // of a stage
  static constexpr int kRowBytes = kTileRows * kTileK * 2;
  static constexpr int kStageBytes = kWeightBytes + kRowBytes;
  // Of the producers: eight copy a row's 128 bytes.
  static constexpr int kCopyThreads = kTileRows < 16 ? 8 * kTileRows : kWarpgroup;
};

struct Tail {  // of shared memory, behind the ring
  Barrier full[16], empty[16];
  int tile_begin[kMaxGroups + 1];  // in tiles, by group
};

// Large tiles go to memory by way of shared memory, some rows at a time, so that they are stored in
// pieces of 16 bytes: two buffers a warpgroup.
template <typename S>
constexpr bool kIsStaged = S::kTileRows >= 128;
template <typename Out>
constexpr int kStagedRows = 64 / sizeof(Out);
template <typename Out>
constexpr int kStagedStride = 64 * sizeof(Out) + 16;         // bytes; no two rows at the same banks
inline constexpr int kStagedBytes = 64 / 2 * (64 * 2 + 16);  // the most of a buffer
static_assert(kStagedRows<float> * kStagedStride<float> <= kStagedBytes);

template <typename S>
constexpr size_t tail_bytes() {
  return (sizeof(Tail) + 127) / 128 * 128;
}
template <typename S>
constexpr size_t shared_bytes() {
  return 1024 + size_t{S::kStages} * S::kStageBytes + tail_bytes<S>() +
         (kIsStaged<S> ? size_t{2} * S::kWarpgroups * kStagedBytes : 0);
}

// Walks over this block's tiles: group after group, a group's rows fastest, so that blocks side by
// side read the same weights; kRowChunk tiles of rows at a time, so that they read few rows too.
inline constexpr int kRowChunk = 8;
template <typename S>
struct TileWalk {
  const Problem& p;
  const int* tile_begin;
  int index, stride;   // of tiles
  int k_begin, k_end;  // what this block sums
  int group = 0;
  int feature = 0;  // of the tile, in tiles
  int begin = 0, first_row = 0, num_rows = 0;

  __device__ TileWalk(const Problem& problem, const int* begins) : p(problem), tile_begin(begins) {
    const int blocks = S::kAddsParts ? 1 : p.parts;  // of a tile
    const int part = blocks > 1 ? cluster_rank() : 0;
    index = static_cast<int>(blockIdx.x) / blocks;
    stride = static_cast<int>(gridDim.x) / blocks;
    k_begin = p.k / blocks * part;
    k_end = p.k / blocks * (part + 1);
  }

  __device__ bool next() {
    if (index >= tile_begin[p.groups]) return false;
    for (int above = p.groups; above - group > 1;) {  // the last that begins at or before index
      const int middle = (group + above) / 2;
      (tile_begin[middle] <= index ? group : above) = middle;
    }
    begin = p.begin == nullptr ? 0 : p.begin[group];
    num_rows = p.begin == nullptr ? p.max_rows : p.begin[group + 1] - begin;
    const int row_tiles = (num_rows + S::kTileRows - 1) / S::kTileRows;
    const int feature_tiles = (tile_begin[group + 1] - tile_begin[group]) / row_tiles;
    const int in_group = index - tile_begin[group];
    const int first = in_group / (kRowChunk * feature_tiles) * kRowChunk;
    const int in_chunk = in_group - first * feature_tiles;
    const int chunk = min(kRowChunk, row_tiles - first);
    feature = in_chunk / chunk;
    first_row = (first + in_chunk % chunk) * S::kTileRows;
    index += stride;
    return true;
  }
  __device__ int id(int row) const { return p.ids == nullptr ? row : p.ids[begin + row]; }
};

// All threads. tile_begin[g] = how many tiles the groups before g have.
template <typename S>
__device__ void plan_tiles(const Problem& p, int features_per_tile, int* tile_begin) {
  const int feature_tiles = (p.n + features_per_tile - 1) / features_per_tile;
  for (int g = static_cast<int>(threadIdx.x); g < p.groups; g += static_cast<int>(blockDim.x)) {
    const int rows = p.begin == nullptr ? p.max_rows : p.begin[g + 1] - p.begin[g];
    tile_begin[g + 1] = feature_tiles * ((rows + S::kTileRows - 1) / S::kTileRows);
  }
  __syncthreads();
  if (threadIdx.x >= kWarp) return;
  const int each = (p.groups + kWarp - 1) / kWarp, lane = static_cast<int>(threadIdx.x);
  const int first = lane * each, end = min(first + each, p.groups);
  int mine = 0;
  for (int g = first; g < end; ++g) mine += tile_begin[g + 1];
  int sum = mine;
  for (int offset = 1; offset < kWarp; offset *= 2) {
    const int other = __shfl_up_sync(~0u, sum, offset);
    if (lane >= offset) sum += other;
  }
  sum -= mine;
  if (lane == 0) tile_begin[0] = 0;
  for (int g = first; g < end; ++g) tile_begin[g + 1] = sum += tile_begin[g + 1];
}

// A position in the ring and the parity of its phase.
template <int kStages>
struct Cursor {
  int stage = 0;
  uint32_t parity = 0;
  __device__ void advance() {
    if (++stage == kStages) stage = 0, parity ^= 1;
  }
};

}  // namespace glint::cuda::product
