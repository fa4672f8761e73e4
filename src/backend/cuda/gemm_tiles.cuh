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

// How a group's weights lie in memory (GemmArgs). kPlainOrSwiglu: Problem says which.
enum class Weights { kPlain, kSwiglu, kTransposed, kPlainOrSwiglu };

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
  int feature_tiles;           // of a group: n in tiles, rounded up
  int parts;                   // of k, a power of two
  int log_blocks;              // of a tile: 2^log_blocks that share its k, a cluster
  int k_of_block;              // columns
  bool streams_weights;        // nobody else reads them soon
  bool stores_whole;           // out can take 16 bytes at every multiple of 8 features
  bool begin_is_settled;       // known before the kernel that makes x is done
  bool is_swiglu, out_is_f32;  // what small tiles ask at run time, and others are compiled for
};

inline bool is_aligned(const void* data) { return reinterpret_cast<uintptr_t>(data) % 16 == 0; }

inline bool stores_whole(const GemmArgs& args) {
  return is_aligned(args.out.data) && args.out.stride % 8 == 0 && args.out_group_columns % 8 == 0;
}

// a / b of numbers below 2^22, b > 0: a fraction of the code of an integer's division.
__device__ inline int quotient(int a, int b) {
  const int q = static_cast<int>(__fdividef(static_cast<float>(a), static_cast<float>(b)));
  const int rest = a - q * b;
  return rest < 0 ? q - 1 : rest >= b ? q + 1 : q;
}

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
  // What few rows take: between two uses of a kernel a step's weights push its code out of all
  // caches, so that its size is time. One kernel for all outputs, and loops that are not unrolled.
  static constexpr bool kIsSmall = kWarpgroups == 1;
};

struct Tail {  // of shared memory, behind the ring
  Barrier full[16], empty[16];
  int tile_begin[kMaxGroups + 1];  // in tiles, by group
  int row_begin[kMaxGroups + 1];   // Problem::begin
};

// Sums go to memory by way of shared memory, some rows at a time, so that they are stored in pieces
// of 16 bytes. Large tiles: two buffers a warpgroup, of numbers as they are stored. Small ones: one
// of FP32, laid out as [rows][64 + 4], where no two rows of a warp's store are at the same banks.
template <typename Out>
constexpr int kStagedRows = 64 / sizeof(Out);
template <typename Out>
constexpr int kStagedStride = 64 * sizeof(Out) + 16;         // bytes; no two rows at the same banks
inline constexpr int kStagedBytes = 64 / 2 * (64 * 2 + 16);  // the most of a buffer
static_assert(kStagedRows<float> * kStagedStride<float> <= kStagedBytes);
inline constexpr int kSumsStride = 64 + 4;
template <typename S>
constexpr int kSumsRows = S::kTileRows < 32 ? S::kTileRows : 32;  // at a time

// What a warpgroup of a large tile stores by way of. A tile's row ids are fetched while it is
// multiplied: one after the other they would come from L2 between two stores.
template <typename S>
struct LargeStaging {
  char rows[2][kStagedBytes];
  int32_t ids[2][S::kTileRows];  // of this tile and the one before
};
template <typename S>
constexpr size_t staging_bytes() {
  return S::kIsSmall ? size_t{kSumsRows<S>} * kSumsStride * sizeof(float)
                     : S::kWarpgroups * sizeof(LargeStaging<S>);
}
template <typename S>
constexpr size_t tail_bytes() {
  return (sizeof(Tail) + 127) / 128 * 128;
}
template <typename S>
constexpr size_t shared_bytes() {
  return 1024 + size_t{S::kStages} * S::kStageBytes + tail_bytes<S>() + staging_bytes<S>();
}

// Walks over this block's tiles: group after group, a group's rows fastest, so that blocks side by
// side read the same weights; kRowChunk tiles of rows at a time, so that they read few rows too.
inline constexpr int kRowChunk = 8;
template <typename S>
struct TileWalk {
  const Problem& p;
  const Tail& tail;
  int index, stride;   // of tiles
  int k_begin, k_end;  // what this block sums
  int group = 0;
  int feature = 0;  // of the tile, in tiles
  int begin = 0, first_row = 0, num_rows = 0;

  __device__ TileWalk(const Problem& problem, const Tail& plan) : p(problem), tail(plan) {
    index = static_cast<int>(blockIdx.x) >> p.log_blocks;
    stride = static_cast<int>(gridDim.x) >> p.log_blocks;
    k_begin = p.log_blocks > 0 ? cluster_rank() * p.k_of_block : 0;
    k_end = k_begin + p.k_of_block;
  }

  __device__ bool next() {
    if (index >= tail.tile_begin[p.groups]) return false;
#pragma unroll 1
    for (int above = p.groups; above - group > 1;) {  // the last that begins at or before index
      const int middle = (group + above) / 2;
      (tail.tile_begin[middle] <= index ? group : above) = middle;
    }
    begin = p.begin == nullptr ? 0 : tail.row_begin[group];
    num_rows = p.begin == nullptr ? p.max_rows : tail.row_begin[group + 1] - begin;
    feature = index - tail.tile_begin[group];
    first_row = 0;
    if (num_rows > S::kTileRows) walk_rows();
    index += stride;
    return true;
  }
  __device__ int id(int row) const { return p.ids == nullptr ? row : p.ids[begin + row]; }

 private:
  // `feature`, the tile's index in its group, becomes a feature and rows.
  __device__ void walk_rows() {
    const int row_tiles = (num_rows + S::kTileRows - 1) / S::kTileRows, in_group = feature;
    const int first = quotient(in_group, kRowChunk * p.feature_tiles) * kRowChunk;
    const int in_chunk = in_group - first * p.feature_tiles;
    const int chunk = min(kRowChunk, row_tiles - first);
    feature = quotient(in_chunk, chunk);
    first_row = (first + in_chunk - feature * chunk) * S::kTileRows;
  }
};

// All threads. What Tail says of groups: tile_begin[g] is how many tiles the groups before g have.
template <typename S>
__device__ void plan_tiles(const Problem& p, Tail& tail) {
  int* tile_begin = tail.tile_begin;
#pragma unroll 1
  for (int g = static_cast<int>(threadIdx.x); g < p.groups; g += static_cast<int>(blockDim.x)) {
    int rows = p.max_rows;
    if (p.begin != nullptr) {
      const int begin = p.begin[g], end = p.begin[g + 1];
      tail.row_begin[g] = begin;
      if (g == p.groups - 1) tail.row_begin[p.groups] = end;
      rows = end - begin;
    }
    tile_begin[g + 1] = p.feature_tiles * ((rows + S::kTileRows - 1) / S::kTileRows);
  }
  __syncthreads();
  if (threadIdx.x >= kWarp) return;
  const int each = (p.groups + kWarp - 1) / kWarp, lane = static_cast<int>(threadIdx.x);
  const int first = lane * each, end = min(first + each, p.groups);
  int mine = 0;
#pragma unroll 1
  for (int g = first; g < end; ++g) mine += tile_begin[g + 1];
  int sum = mine;
  for (int offset = 1; offset < kWarp; offset *= 2) {
    const int other = __shfl_up_sync(~0u, sum, offset);
    if (lane >= offset) sum += other;
  }
  sum -= mine;
  if (lane == 0) tile_begin[0] = 0;
#pragma unroll 1
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
