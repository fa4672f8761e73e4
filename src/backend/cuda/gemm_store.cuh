#pragma once

// How the sums of a tile of gemm_wgmma.cu leave the registers.

#include "backend/cuda/gemm_tiles.cuh"

namespace glint::cuda::product {

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

// Begins to fetch the ids of a tile's rows, where they have some.
template <typename S>
__device__ void fetch_ids(const Problem& p, const TileWalk<S>& tile, int32_t* ids) {
  const int rows = p.ids == nullptr ? 0 : min(S::kTileRows, tile.num_rows - tile.first_row);
  const int32_t* from = p.ids + tile.begin + tile.first_row;
  for (int i = static_cast<int>(threadIdx.x) % kWarpgroup; i < rows; i += kWarpgroup)
    copy_4_bytes(shared_address(ids + i), from + i);
}

// The same as store() by way of shared memory. `ids` were fetched, by this warpgroup.
template <typename S, int kRows, bool kSwiglu, typename Out>
__device__ void store_staged(const Problem& p, const TileWalk<S>& tile, int warpgroup,
                             const float (&d)[kRows / 2], LargeStaging<S>& staging,
                             const int32_t* ids) {
  constexpr int kFeatures = kSwiglu ? 32 : 64;  // of the warpgroup
  constexpr int kAtOnce = kStagedRows<Out>, kStride = kStagedStride<Out>;
  constexpr int kPiece = 16 / sizeof(Out), kPieces = kFeatures / kPiece;  // of a row
  const int thread = static_cast<int>(threadIdx.x) % kWarpgroup;
  const int lane = thread % kWarp, warp = thread / kWarp;
  const int first_feature = (tile.feature * S::kWarpgroups + warpgroup) * kFeatures;
  Out* out = static_cast<Out*>(p.out) + tile.group * p.out_group_columns + first_feature;
  commit_copies();
  wait_copies<0>();  // of ids
#pragma unroll       // d stays in registers
  for (int chunk = 0; chunk < kRows / kAtOnce; ++chunk) {
    char* buffer = staging.rows[chunk % 2];
    if constexpr (sizeof(Out) == 2)
      stage_bf16<kRows, kSwiglu>(d, chunk, buffer, warp, lane);
    else
      stage_f32<kRows>(d, chunk, buffer, warp, lane);
    // The buffer before the last is free: all have stored it when they come here.
    sync_warpgroup(warpgroup);
    for (int i = thread; i < kAtOnce * kPieces; i += kWarpgroup) {
      const int row = i / kPieces, column = i % kPieces * kPiece;
      const int in_tile = chunk * kAtOnce + row, tile_row = tile.first_row + in_tile;
      if (tile_row >= tile.num_rows || first_feature + column >= p.n) continue;
      const int id = p.ids == nullptr ? tile_row : ids[in_tile];
      *reinterpret_cast<uint4*>(out + id * p.out_stride + column) =
          *reinterpret_cast<const uint4*>(buffer + row * kStride + column * sizeof(Out));
    }
  }
}

// Rows [first, end) of d, in eights, to `sums` [][kSumsStride]. `first` is a multiple of 8.
template <int kRows>
__device__ void stage_sums(const float (&d)[kRows / 2], int first, int end, float* sums) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int row = lane % 4 * 2 - first, column = threadIdx.x / kWarp * 16 + lane / 4;
  float* to = sums + row * kSumsStride + column;
#pragma unroll  // d stays in registers
  for (int i = 0; i < kRows / 8; ++i) {
    if (i * 8 < first || i * 8 >= end) continue;
    float* eight = to + i * 8 * kSumsStride;
    eight[0] = d[4 * i], eight[kSumsStride] = d[4 * i + 1];
    eight[8] = d[4 * i + 2], eight[kSumsStride + 8] = d[4 * i + 3];
  }
}

// The four numbers at `at`, the address of some sums, added up over the blocks of the cluster.
__device__ inline float4 sum_of_blocks(uint32_t at, int blocks) {
  float4 part[kMostParts];
#pragma unroll  // a load from another block takes long: all are under way at once
  for (int block = 0; block < kMostParts; ++block)
    if (block < blocks) part[block] = load_from_block(at, block);
  float4 sum = part[0];
#pragma unroll
  for (int block = 1; block < kMostParts; ++block) {
    if (block >= blocks) continue;
    sum.x += part[block].x, sum.y += part[block].y;
    sum.z += part[block].z, sum.w += part[block].w;
  }
  return sum;
}

// x to out[0 ... 7] from `to` on.
template <typename Out>
__device__ void store_eight(Out* to, const float (&x)[8], bool whole) {
  if (!whole) {
#pragma unroll
    for (int i = 0; i < 8; ++i) to[i] = from_f32<Out>(x[i]);
  } else if constexpr (sizeof(Out) == 2) {
    *reinterpret_cast<uint4*>(to) = {packed(x[0], x[1]), packed(x[2], x[3]), packed(x[4], x[5]),
                                     packed(x[6], x[7])};
  } else {
    reinterpret_cast<float4*>(to)[0] = {x[0], x[1], x[2], x[3]};
    reinterpret_cast<float4*>(to)[1] = {x[4], x[5], x[6], x[7]};
  }
}

// Stores `rows` rows of sums, of the tile's from first_row on, eight features a thread. With
// p.parts > 1 those of all the cluster's blocks, added in order; each block stores its share.
template <typename S>
__device__ void store_sums(const Problem& p, const TileWalk<S>& tile, const float* sums,
                           int first_row, int rows) {
  const int log_eights = p.is_swiglu ? 2 : 3;  // of a row's features
  const int block = p.parts > 1 ? cluster_rank() : 0;
#pragma unroll 1
  for (int i = static_cast<int>(threadIdx.x) * p.parts + block; i < rows << log_eights;
       i += kWarpgroup * p.parts) {
    const int row = i >> log_eights, eight = i & ((1 << log_eights) - 1);
    const int feature = ((tile.feature << log_eights) + eight) * 8;
    if (feature >= p.n) continue;
    // Of a warp's 16 columns, with SwiGLU, 8 are gates and then 8 are ups.
    const float* from = sums + row * kSumsStride + (eight << (6 - log_eights));
    float x[8];
    if (p.is_swiglu) {
#pragma unroll
      for (int j = 0; j < 8; ++j) x[j] = silu(from[j]) * from[j + 8];
    } else {
#pragma unroll
      for (int j = 0; j < 8; j += 4) {
        const float4 four = p.parts > 1 ? sum_of_blocks(shared_address(from + j), p.parts)
                                        : *reinterpret_cast<const float4*>(from + j);
        x[j] = four.x, x[j + 1] = four.y, x[j + 2] = four.z, x[j + 3] = four.w;
      }
    }
    const int64_t at =
        tile.id(first_row + row) * p.out_stride + tile.group * p.out_group_columns + feature;
    if (p.out_is_f32)
      store_eight(static_cast<float*>(p.out) + at, x, p.stores_whole);
    else
      store_eight(static_cast<Bf16*>(p.out) + at, x, p.stores_whole);
  }
}

// A small tile's d to out, `rows` rows of it. `ring` is the block's own, which with p.parts > 1
// nobody needs any more: the cluster has this tile alone.
template <typename S>
__device__ void store_small(const Problem& p, const TileWalk<S>& tile, int rows,
                            const float (&d)[S::kTileRows / 2], char* ring, char* staging) {
  const bool is_cluster = p.parts > 1;
  float* sums = reinterpret_cast<float*>(is_cluster ? ring : staging);
  const int at_once = is_cluster ? S::kTileRows : kSumsRows<S>;
#pragma unroll 1
  for (int first = 0; first < rows; first += at_once) {
    const int end = min(first + at_once, rows);
    sync_warpgroup(0);  // nobody reads what was there: a stage of the ring, or the sums before
    stage_sums<S::kTileRows>(d, first, end, sums);
    if (is_cluster)
      sync_cluster();
    else
      sync_warpgroup(0);
    store_sums<S>(p, tile, sums, tile.first_row + first, end - first);
  }
}

}  // namespace glint::cuda::product
