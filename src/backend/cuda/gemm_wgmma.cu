// The matrix product on tensor cores: one persistent kernel for decode and prefill, dense and
// grouped. Weights are the M side (64 rows a warpgroup), rows of x the N side (8 ... 256), so that
// a few rows waste nothing but cheap columns.
//
//   producer warpgroup   weights by the copy engine, rows of x by 16-byte copies (they are
//   gathered),
//                        into a ring of stages of 64 columns each
//   consumer warpgroups  wgmma over the ring; the sums stay in registers until a tile is done
//
// A number is summed over k in steps of 16 in order, whatever the tile: the bits of a row do not
// depend on how many rows there are. Where a matrix is too narrow to occupy the GPU with few rows,
// k is in parts that are summed one by one and then added in order (parts_of_k): the blocks of a
// cluster take one each, and for many rows a block takes one after another.
//
// After DeepGEMM's structure (its README, "persistent warp specialization"); the code is ours.

#include <algorithm>
#include <cmath>

#include "backend/cuda/gemm.h"
#include "backend/cuda/kernel.cuh"
#include "backend/cuda/wgmma.cuh"

namespace glint::cuda {
namespace {

using Bf16 = __nv_bfloat16;

constexpr int kTileK = 64;  // columns of a stage: 128 bytes
constexpr int kWarpgroup = 128;
constexpr int kMaxGroups = 256;
constexpr int kMostParts = 8;  // of k: the blocks that a cluster may have anywhere

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
  int parts;          // of k
  bool stores_whole;  // out can take 16 bytes at every multiple of 8 features
};

// kWarpgroups consumers of 64 weight rows each, kTileRows rows of x, a ring of kStages of kBoxes
// times kTileK columns. A stage costs its barriers once, however many columns it has.
// kAddsParts: one block sums all parts of k. Else the blocks of a cluster have one each.
template <int kTileRowsOf, int kWarpgroupsOf, int kBoxesOf, int kStagesOf, int kBlocksPerSmOf,
          bool kAddsPartsOf = false>
struct Shape {
  static constexpr bool kAddsParts = kAddsPartsOf;
  static constexpr int kTileRows = kTileRowsOf;
  static constexpr int kWarpgroups = kWarpgroupsOf;
  static constexpr int kBoxes = kBoxesOf;
  static constexpr int kStages = kStagesOf;
  static constexpr int kBlocksPerSm = kBlocksPerSmOf;
  static constexpr int kThreads = (kWarpgroups + 1) * kWarpgroup;
  static constexpr int kWeightRows = 64 * kWarpgroups;
  static constexpr int kWeightBytes = kWeightRows * kTileK * 2;  // of a box
  static constexpr int kRowBytes = kTileRows * kTileK * 2;
  static constexpr int kStageBytes = kBoxes * (kWeightBytes + kRowBytes);
  static constexpr int kStageK = kBoxes * kTileK;
  // Of the producers: eight copy a row's 128 bytes of a box.
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
constexpr int kStagedStride = 64 * sizeof(Out) + 16;  // bytes; no two rows at the same banks
constexpr int kStagedBytes = 64 / 2 * (64 * 2 + 16);  // the most of a buffer
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
constexpr int kRowChunk = 8;
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

// Asks for a tile's weights of a stage from column k on. One thread.
template <typename S, Weights kWeights>
__device__ void request_weights(const TileWalk<S>& tile, int k, const CUtensorMap& map, char* stage,
                                Barrier& full) {
  const int boxes = min(S::kBoxes, (tile.k_end - k) / kTileK);
  full.arrive_expecting(boxes * S::kWeightBytes);
  for (int box = 0; box < boxes; ++box, k += kTileK, stage += S::kWeightBytes) {
    if constexpr (kWeights == Weights::kTransposed) {
      for (int i = 0; i < S::kWarpgroups; ++i)
        load_tile(stage + i * 64 * 128, map, full, (tile.feature * S::kWarpgroups + i) * 64, k,
                  tile.group);
    } else if constexpr (kWeights == Weights::kSwiglu) {
      load_tile(stage, map, full, k, 0, 0, tile.feature * S::kWeightRows / 16, tile.group);
    } else {
      load_tile(stage, map, full, k, tile.feature * S::kWeightRows, tile.group);
    }
  }
}

// Before the kernel that makes x is done: the first tile's weights, as many as the ring has room
// for. Returns how many stages.
template <typename S, Weights kWeights>
__device__ int request_early(const Problem& p, const CUtensorMap& map, char* ring, Tail& tail) {
  TileWalk<S> first(p, tail.tile_begin);
  if (!first.next()) return 0;
  const int k = first.k_end - first.k_begin;
  const int count = min(S::kStages, (k + S::kStageK - 1) / S::kStageK);
  if (threadIdx.x % kWarpgroup == 0) {
    for (int i = 0; i < count; ++i)
      request_weights<S, kWeights>(first, first.k_begin + i * S::kStageK, map,
                                   ring + i * S::kStageBytes, tail.full[i]);
  }
  return count;
}

template <typename S, Weights kWeights>
__device__ void produce(const Problem& p, const CUtensorMap& map, char* ring, Tail& tail) {
  const int thread = static_cast<int>(threadIdx.x) % kWarpgroup;
  // Eight threads copy a row's 128 bytes; the swizzle exchanges its 16-byte pieces by row % 8.
  constexpr int kCopies = (S::kTileRows + 15) / 16;
  const int piece = thread % 8, first = thread / 8;
  const int place = first * 128 + ((piece ^ first % 8) << 4);
  Cursor<S::kStages> now;
  int early = request_early<S, kWeights>(p, map, ring, tail);
  wait_for_previous();
  for (TileWalk<S> tile(p, tail.tile_begin); thread < S::kCopyThreads && tile.next();) {
    const Bf16* from[kCopies];
#pragma unroll
    for (int i = 0; i < kCopies; ++i) {
      const int row = tile.first_row + first + 16 * i;
      const bool inside = row < tile.num_rows;
      from[i] = !inside ? nullptr
                        : p.x + (tile.id(row) / p.in_divisor) * p.x_stride +
                              tile.group * p.x_group_columns + piece * 8;
    }
    for (int k = tile.k_begin; k < tile.k_end; k += S::kStageK) {
      char* stage = ring + now.stage * S::kStageBytes;
      tail.empty[now.stage].wait(now.parity ^ 1);
      if (early > 0)
        --early;
      else if (thread == 0)
        request_weights<S, kWeights>(tile, k, map, stage, tail.full[now.stage]);
      const uint32_t rows =
          shared_address(stage + S::kBoxes * S::kWeightBytes) + static_cast<uint32_t>(place);
#pragma unroll
      for (int box = 0; box < S::kBoxes; ++box) {
        if (k + box * kTileK >= tile.k_end) break;
#pragma unroll
        for (int i = 0; i < kCopies; ++i) {
          // A row that is not there keeps what was there: it is summed, if at all, to a number that
          // is not stored.
          if (from[i] != nullptr)
            copy_16_bytes(rows + static_cast<uint32_t>(box * S::kRowBytes + i * 16 * 128),
                          from[i] + k + box * kTileK, true);
        }
      }
      arrive_when_copied(tail.full[now.stage]);
      now.advance();
    }
  }
  commit_copies();
  wait_copies<0>();
}

// d, as Wgmma lays it out, to out[row][feature], number by number.
template <typename S, int kRows, bool kSwiglu, typename Out>
__device__ void store(const Problem& p, const TileWalk<S>& tile, int warpgroup,
                      const float (&d)[kRows / 2]) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp = static_cast<int>(threadIdx.x) % kWarpgroup / kWarp;
  constexpr int kFeatures = kSwiglu ? 8 : 16;  // of a warp
  const int feature =
      (tile.feature * S::kWarpgroups + warpgroup) * 4 * kFeatures + warp * kFeatures + lane / 4;
  Out* out = static_cast<Out*>(p.out) + tile.group * p.out_group_columns;
#pragma unroll  // d stays in registers
  for (int i = 0; i < kRows / 4; ++i) {
    const int row = tile.first_row + i / 2 * 8 + lane % 4 * 2 + i % 2;
    if (row >= tile.num_rows) continue;
    Out* to = out + tile.id(row) * p.out_stride;
    const float a = d[i / 2 * 4 + i % 2], b = d[i / 2 * 4 + 2 + i % 2];
    if constexpr (kSwiglu) {
      if (feature < p.n) to[feature] = from_f32<Out>(silu(a) * b);
    } else {
      if (feature < p.n) to[feature] = from_f32<Out>(a);
      if (feature + 8 < p.n) to[feature + 8] = from_f32<Out>(b);
    }
  }
}

// Rows [32 chunk, 32 chunk + 32) of d to `buffer`: 64 features of each, or 32 of gates and ups.
template <int kRows, bool kSwiglu>
__device__ void stage_bf16(const float (&d)[kRows / 2], int chunk, char* buffer, int warp,
                           int lane) {
  constexpr int kStride = kStagedStride<Bf16>, kFeatures = kSwiglu ? 8 : 16;  // of the warp
  const int matrix = lane / 8, in_matrix = lane % 8;
  const uint32_t to = shared_address(buffer) + static_cast<uint32_t>(warp * kFeatures) * 2;
  constexpr int kRowsAtOnce = kSwiglu ? 32 : 16;
#pragma unroll
  for (int first = 0; first < kStagedRows<Bf16>; first += kRowsAtOnce) {
    const float* x = d + chunk * kStagedRows<Bf16> / 2 + first / 2;
    uint32_t pairs[4];
    if constexpr (kSwiglu) {  // a matrix for each 8 rows
#pragma unroll
      for (int i = 0; i < 4; ++i)
        pairs[i] = packed(silu(x[4 * i]) * x[4 * i + 2], silu(x[4 * i + 1]) * x[4 * i + 3]);
      const int row = first + matrix * 8 + in_matrix;
      store_matrices_transposed(to + static_cast<uint32_t>(row * kStride), pairs);
    } else {  // two for each 8 rows: features 0 ... 7 and 8 ... 15
#pragma unroll
      for (int i = 0; i < 4; ++i) pairs[i] = packed(x[2 * i], x[2 * i + 1]);
      const int row = first + matrix / 2 * 8 + in_matrix;
      store_matrices_transposed(to + static_cast<uint32_t>(row * kStride + matrix % 2 * 16), pairs);
    }
  }
}

template <int kRows>
__device__ void stage_f32(const float (&d)[kRows / 2], int chunk, char* buffer, int warp,
                          int lane) {
  constexpr int kAtOnce = kStagedRows<float>, kStride = kStagedStride<float>;
#pragma unroll
  for (int i = 0; i < kAtOnce / 4; ++i) {
    const int row = i / 2 * 8 + lane % 4 * 2 + i % 2, at = chunk * kAtOnce / 2 + i / 2 * 4 + i % 2;
    float* to = reinterpret_cast<float*>(buffer + row * kStride) + warp * 16 + lane / 4;
    to[0] = d[at];
    to[8] = d[at + 2];
  }
}

// The same as store() by way of `buffers`, this warpgroup's two.
template <typename S, int kRows, bool kSwiglu, typename Out>
__device__ void store_staged(const Problem& p, const TileWalk<S>& tile, int warpgroup,
                             const float (&d)[kRows / 2], char* buffers) {
  constexpr int kFeatures = kSwiglu ? 32 : 64;  // of the warpgroup
  constexpr int kAtOnce = kStagedRows<Out>, kStride = kStagedStride<Out>;
  constexpr int kPiece = 16 / sizeof(Out), kPieces = kFeatures / kPiece;  // of a row
  const int thread = static_cast<int>(threadIdx.x) % kWarpgroup;
  const int lane = thread % kWarp, warp = thread / kWarp;
  const int first_feature = (tile.feature * S::kWarpgroups + warpgroup) * kFeatures;
  Out* out = static_cast<Out*>(p.out) + tile.group * p.out_group_columns + first_feature;
#pragma unroll  // d stays in registers
  for (int chunk = 0; chunk < kRows / kAtOnce; ++chunk) {
    char* buffer = buffers + chunk % 2 * kStagedBytes;
    if constexpr (sizeof(Out) == 2)
      stage_bf16<kRows, kSwiglu>(d, chunk, buffer, warp, lane);
    else
      stage_f32<kRows>(d, chunk, buffer, warp, lane);
    // The buffer before the last is free: all have stored it when they come here.
    sync_warpgroup(warpgroup);
    for (int i = thread; i < kAtOnce * kPieces; i += kWarpgroup) {
      const int row = i / kPieces, column = i % kPieces * kPiece;
      const int tile_row = tile.first_row + chunk * kAtOnce + row;
      if (tile_row >= tile.num_rows || first_feature + column >= p.n) continue;
      *reinterpret_cast<uint4*>(out + tile.id(tile_row) * p.out_stride + column) =
          *reinterpret_cast<const uint4*>(buffer + row * kStride + column * sizeof(Out));
    }
  }
}

// The products of a box.
template <int kRows, Weights kWeights>
__device__ void multiply_box(float (&d)[kRows / 2], uint32_t weights, uint32_t rows,
                             bool is_first) {
  constexpr bool kTransposed = kWeights == Weights::kTransposed;
  const uint64_t a = kTransposed ? transposed_descriptor(weights, 0) : matrix_descriptor(weights);
  const uint64_t b = matrix_descriptor(rows);
  constexpr int kNext = (kTransposed ? 16 * 128 : 32) / 16;  // 16 columns of k further
#pragma unroll
  for (int step = 0; step < kTileK / 16; ++step)
    Wgmma<kRows>::template multiply<kTransposed>(d, a + kNext * step, b + 2 * step,
                                                 !is_first || step > 0);
}

// Where a consumer of a block is in the ring. Few members: a large tile leaves few registers.
template <typename S>
struct Consumer {
  char* ring;
  int warpgroup;
  Cursor<S::kStages> now = {};

  __device__ Tail& tail() const {
    return *reinterpret_cast<Tail*>(ring + S::kStages * S::kStageBytes);
  }
  __device__ char* staging() const {
    return ring + S::kStages * S::kStageBytes + tail_bytes<S>() + warpgroup * 2 * kStagedBytes;
  }
  // The stage before the current one has been used.
  __device__ void release_last() const {
    const int last = (now.stage == 0 ? S::kStages : now.stage) - 1;
    if (threadIdx.x % kWarp == 0) tail().empty[last].arrive();  // one arrival a warp
  }
};

// d = the products of the columns [begin, end) of k, stage by stage from the ring.
template <typename S, int kRows, Weights kWeights>
__device__ void multiply_part(float (&d)[kRows / 2], int begin, int end, Consumer<S>& c) {
  for (int k = begin; k < end; k += S::kStageK) {
    c.tail().full[c.now.stage].wait(c.now.parity);
    fence_async_proxy();  // the copies of x were made by ordinary stores
    const uint32_t weights = shared_address(c.ring + c.now.stage * S::kStageBytes) +
                             static_cast<uint32_t>(c.warpgroup) * 64 * 128;
    const uint32_t rows =
        shared_address(c.ring + c.now.stage * S::kStageBytes + S::kBoxes * S::kWeightBytes);
    wgmma_fence();
#pragma unroll
    for (int box = 0; box < S::kBoxes; ++box) {
      if (k + box * kTileK >= end) break;
      multiply_box<kRows, kWeights>(d, weights + box * S::kWeightBytes, rows + box * S::kRowBytes,
                                    k == begin && box == 0);
    }
    wgmma_commit();
    if (k > begin) {
      wgmma_wait<1>();
      c.release_last();
    }
    c.now.advance();
  }
  wgmma_wait<0>();
  pin(d);
  c.release_last();
}

// One block: the parts of k one after another.
template <typename S, int kRows, Weights kWeights>
__device__ void multiply_parts(float (&d)[kRows / 2], const TileWalk<S>& tile, Consumer<S>& c) {
  const int size = tile.p.k / tile.p.parts;
  float part[kRows / 2];
  for (int begin = 0; begin < tile.p.k; begin += size) {
    multiply_part<S, kRows, kWeights>(part, begin, begin + size, c);
#pragma unroll
    for (int i = 0; i < kRows / 2; ++i) d[i] = begin == 0 ? part[i] : d[i] + part[i];
  }
}

// The blocks of a cluster: each adds up every blocks-th number of all their parts and stores it.
// `mine` is the block's own ring, which nobody needs any more.
template <typename S, int kRows, typename Out>
__device__ void store_sums(const Problem& p, const TileWalk<S>& tile, const float (&d)[kRows / 2],
                           float* mine) {
  const int thread = static_cast<int>(threadIdx.x), block = cluster_rank();
#pragma unroll
  for (int i = 0; i < kRows / 2; ++i) mine[i * kWarpgroup + thread] = d[i];
  sync_cluster();
#pragma unroll 4  // a load from another block takes long: many are under way
  for (int i = block; i < kRows / 2; i += p.parts) {
    const uint32_t at = shared_address(mine + i * kWarpgroup + thread);
    float part[kMostParts];
#pragma unroll
    for (int other = 0; other < kMostParts; ++other)
      part[other] = other < p.parts ? load_from_block(at, other) : 0.0f;
    float sum = part[0];
#pragma unroll
    for (int other = 1; other < kMostParts; ++other)
      if (other < p.parts) sum += part[other];
    const int row = tile.first_row + i / 4 * 8 + thread % 4 * 2 + i % 2;
    const int feature =
        tile.feature * 64 + thread / kWarp * 16 + thread % kWarp / 4 + i / 2 % 2 * 8;
    if (row < tile.num_rows && feature < p.n)
      static_cast<Out*>(p.out)[tile.id(row) * p.out_stride + feature] = from_f32<Out>(sum);
  }
}

// A tile of at most kRows rows.
template <typename S, int kRows, Weights kWeights, typename Out>
__device__ void consume_tile(const Problem& p, const TileWalk<S>& tile, Consumer<S>& consumer) {
  constexpr bool kSwiglu = kWeights == Weights::kSwiglu;
  float d[kRows / 2];
  if constexpr (S::kAddsParts) {
    multiply_parts<S, kRows, kWeights>(d, tile, consumer);
  } else {
    multiply_part<S, kRows, kWeights>(d, tile.k_begin, tile.k_end, consumer);
    if (p.parts > 1)  // the cluster has this tile alone
      return store_sums<S, kRows, Out>(p, tile, d, reinterpret_cast<float*>(consumer.ring));
  }
  if constexpr (kIsStaged<S> && kRows == S::kTileRows && !(kSwiglu && sizeof(Out) == 4)) {
    if (p.stores_whole) {
      return store_staged<S, kRows, kSwiglu, Out>(p, tile, consumer.warpgroup, d,
                                                  consumer.staging());
    }
  }
  store<S, kRows, kSwiglu, Out>(p, tile, consumer.warpgroup, d);
}

// A tile takes the smallest product that holds its rows: experts have a few rows each, and some
// many. A larger tile is for many.
template <typename S, Weights kWeights, typename Out>
__device__ void consume(const Problem& p, char* ring, const Tail& tail) {
  Consumer<S> consumer{ring, static_cast<int>(threadIdx.x) / kWarpgroup};
  for (TileWalk<S> tile(p, tail.tile_begin); tile.next();) {
    const int rows = tile.num_rows - tile.first_row;
    if constexpr (S::kTileRows == 64) {
      if (rows <= 8)
        consume_tile<S, 8, kWeights, Out>(p, tile, consumer);
      else if (rows <= 16)
        consume_tile<S, 16, kWeights, Out>(p, tile, consumer);
      else if (rows <= 32)
        consume_tile<S, 32, kWeights, Out>(p, tile, consumer);
      else
        consume_tile<S, 64, kWeights, Out>(p, tile, consumer);
    } else {
      consume_tile<S, S::kTileRows, kWeights, Out>(p, tile, consumer);
    }
  }
}

template <typename S, Weights kWeights, typename Out>
__global__ void __launch_bounds__(S::kThreads, S::kBlocksPerSm)
    gemm_kernel(const Problem p, const __grid_constant__ CUtensorMap map) {
  extern __shared__ char shared[];
  char* ring = shared + (1024 - shared_address(shared) % 1024) % 1024;
  Tail& tail = *reinterpret_cast<Tail*>(ring + S::kStages * S::kStageBytes);
  constexpr bool kSwiglu = kWeights == Weights::kSwiglu;
  constexpr int kFeatures = kSwiglu ? S::kWeightRows / 2 : S::kWeightRows;
  if (threadIdx.x == 0) {
    let_next_start();
    prefetch_map(map);
    for (int s = 0; s < S::kStages; ++s) {
      tail.full[s].init(S::kCopyThreads + 1);  // the copies of each, and the announced bytes
      tail.empty[s].init(4 * S::kWarpgroups);
    }
    fence_barrier_init();
  }
  if (p.begin != nullptr) wait_for_previous();  // which rows a group has comes from there
  plan_tiles<S>(p, kFeatures, tail.tile_begin);
  __syncthreads();
  const bool is_split = !S::kAddsParts && p.parts > 1;
  if (threadIdx.x >= S::kWarpgroups * kWarpgroup) {
    if constexpr (S::kTileRows > 128) give_registers<56>();
    produce<S, kWeights>(p, map, ring, tail);
    if (is_split) sync_cluster();  // that of store_sums()
  } else {
    if constexpr (S::kTileRows > 128) take_registers<224>();
    consume<S, kWeights, Out>(p, ring, tail);
  }
  if (is_split) sync_cluster();  // all have read what others sum
}

bool is_aligned(const void* data) { return reinterpret_cast<uintptr_t>(data) % 16 == 0; }

bool stores_whole(const GemmArgs& args) {
  return is_aligned(args.out.data) && args.out.stride % 8 == 0 && args.out_group_columns % 8 == 0;
}

// Into how many parts k falls: as many as keep 132 multiprocessors busy with one tile each where
// rows are few, in halves, and none shorter than 256. Decided by the weights alone: a row's bits
// depend on it.
int parts_of_k(const GemmArgs& args) {
  if (args.w.count > 1 || args.is_swiglu || args.w_is_transposed) return 1;
  const int tiles = (args.n() + 63) / 64;
  int parts = 1;
  while (parts < kMostParts && 2 * parts * tiles <= 132 && args.k() % (2 * parts * 256) == 0)
    parts *= 2;
  return parts;
}

template <typename S>
void run(cudaStream_t stream, int num_sms, TensorMaps& maps, const GemmArgs& args) {
  const Problem problem{.x = static_cast<const Bf16*>(args.x.data),
                        .x_stride = args.x.stride,
                        .out = args.out.data,
                        .out_stride = args.out.stride,
                        .ids = args.ids,
                        .begin = args.begin,
                        .x_group_columns = args.x_group_columns,
                        .out_group_columns = args.out_group_columns,
                        .max_rows = args.max_rows,
                        .in_divisor = args.in_divisor,
                        .n = args.n(),
                        .k = args.k(),
                        .groups = args.w.count,
                        .parts = parts_of_k(args),
                        .stores_whole = stores_whole(args)};
  const int map_rows = args.w_is_transposed ? kTileK : S::kWeightRows;
  const CUtensorMap& map = maps.of_weights(args.w, args.is_swiglu, map_rows);
  const int cluster = S::kAddsParts ? 1 : problem.parts;
  const int row_tiles = (args.max_rows + S::kTileRows - 1) / S::kTileRows;
  const int tiles = (args.n() + S::kWeightRows - 1) / S::kWeightRows * row_tiles;
  const dim3 grid(static_cast<unsigned>(cluster > 1 ? tiles * cluster : num_sms * S::kBlocksPerSm));
  if constexpr (S::kTileRows == 256) {
    if (args.w_is_transposed) {
      CHECK(args.out.type == NumberType::kBf16, "a product with transposed weights gives BF16");
      auto* kernel = gemm_kernel<S, Weights::kTransposed, Bf16>;
      return launch_early(stream, grid, dim3(S::kThreads), shared_bytes<S>(), kernel, problem, map);
    }
  }
  with_type(args.out.type, [&]<typename Out>(Out) {
    auto* kernel = args.is_swiglu ? gemm_kernel<S, Weights::kSwiglu, Out>
                                  : gemm_kernel<S, Weights::kPlain, Out>;
    launch_clusters_early(stream, cluster, grid, dim3(S::kThreads), shared_bytes<S>(), kernel,
                          problem, map);
  });
}

}  // namespace

bool is_for_wgmma(const GemmArgs& args) {
  const bool is_bf16 = args.w.type == NumberType::kBf16 && args.x.type == NumberType::kBf16;
  const bool fits = args.k() % kTileK == 0 && args.n() % 8 == 0 && args.w.count <= kMaxGroups;
  return is_bf16 && fits && args.x.stride % 8 == 0 && args.x_group_columns % 8 == 0 &&
         is_aligned(args.x.data) && is_aligned(args.w.data);
}

namespace {

// Whether clusters that have a tile each are at most as many blocks as can run at once.
bool is_for_clusters(const GemmArgs& args) {
  const int parts = parts_of_k(args);
  return parts > 1 && (args.max_rows + 127) / 128 * ((args.n() + 63) / 64) * parts <= 2 * 132;
}

// What `rows` rows of a group take with tiles of `tile` rows, in rows that are computed. A group
// has a few more or less than the mean.
int computed_rows(int rows, int tile) {
  const int spread = static_cast<int>(std::sqrt(static_cast<float>(rows)));
  int tiles = 0;
  for (const int n : {rows - spread, rows, rows + spread}) tiles += (n + tile - 1) / tile;
  return tiles * tile;
}

}  // namespace

// Small tiles are chosen by how much of the ring weights get, large ones by their rows.
void gemm_wgmma(cudaStream_t stream, int num_sms, TensorMaps& maps, const GemmArgs& args) {
  if (args.w_is_transposed) return run<Shape<256, 2, 1, 4, 1>>(stream, num_sms, maps, args);
  const int mean = args.mean_rows > 0 ? args.mean_rows : args.max_rows;
  if (args.max_rows <= 8) return run<Shape<8, 1, 2, 6, 2>>(stream, num_sms, maps, args);
  if (args.max_rows <= 64 || mean <= 32)
    return run<Shape<64, 1, 1, 6, 2>>(stream, num_sms, maps, args);
  if (args.max_rows <= 128 || mean <= 64 || is_for_clusters(args))
    return run<Shape<128, 1, 1, 4, 2>>(stream, num_sms, maps, args);
  if (parts_of_k(args) > 1) return run<Shape<128, 2, 1, 5, 1, true>>(stream, num_sms, maps, args);
  if (computed_rows(mean, 192) < computed_rows(mean, 256))
    return run<Shape<192, 2, 1, 5, 1>>(stream, num_sms, maps, args);
  run<Shape<256, 2, 1, 4, 1>>(stream, num_sms, maps, args);
}

}  // namespace glint::cuda
