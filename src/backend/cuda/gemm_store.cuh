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

// The blocks of a cluster: each adds up every blocks-th four numbers of all their parts and stores
// them. `mine` is the block's own ring, which nobody needs any more.
template <typename S, int kRows, typename Out>
__device__ void store_sums(const Problem& p, const TileWalk<S>& tile, const float (&d)[kRows / 2],
                           char* mine) {
  const int thread = static_cast<int>(threadIdx.x), block = cluster_rank();
  auto* fours = reinterpret_cast<float4*>(mine) + thread;
  sync_warpgroup(0);  // another warp's last product may still read the ring
#pragma unroll
  for (int i = 0; i < kRows / 8; ++i)
    fours[i * kWarpgroup] = {d[4 * i], d[4 * i + 1], d[4 * i + 2], d[4 * i + 3]};
  sync_cluster();
#pragma unroll 2  // a load from another block takes long: many are under way
  for (int i = block; i < kRows / 8; i += p.parts) {
    const uint32_t at = shared_address(fours + i * kWarpgroup);
    float4 part[kMostParts];
#pragma unroll
    for (int other = 0; other < kMostParts; ++other)
      if (other < p.parts) part[other] = load_from_block(at, other);
    float4 sum = part[0];
#pragma unroll
    for (int other = 1; other < kMostParts; ++other) {
      if (other >= p.parts) continue;
      sum.x += part[other].x, sum.y += part[other].y;
      sum.z += part[other].z, sum.w += part[other].w;
    }
    const float numbers[4] = {sum.x, sum.y, sum.z, sum.w};
#pragma unroll
    for (int j = 0; j < 4; ++j) {  // as in Wgmma
      const int row = tile.first_row + i * 8 + thread % 4 * 2 + j % 2;
      const int feature = tile.feature * 64 + thread / kWarp * 16 + thread % kWarp / 4 + j / 2 * 8;
      if (row < tile.num_rows && feature < p.n)
        static_cast<Out*>(p.out)[tile.id(row) * p.out_stride + feature] = from_f32<Out>(numbers[j]);
    }
  }
}

}  // namespace glint::cuda::product
