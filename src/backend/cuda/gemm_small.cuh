#pragma once

// The tiles of gemm_small.cu: their shapes, what lies in shared memory, and how their sums leave
// the registers.

#include "backend/cuda/gemm_tiles.cuh"

namespace glint::cuda::product {

// kTileRows rows of x times 64 of weights, a ring of kStages of kTileK columns. Two blocks share a
// multiprocessor.
//
// Between two uses of a kernel a step's weights push its code out of all caches, so that its size
// is time: one kernel for all outputs, and loops that are not unrolled.
template <int kTileRowsOf, int kStagesOf>
struct Shape {
  static constexpr int kTileRows = kTileRowsOf;
  static constexpr int kStages = kStagesOf;
  static constexpr int kBlocksPerSm = 2;
  static constexpr int kThreads = 2 * kWarpgroup;
  static constexpr int kWeightRows = 64;
  static constexpr int kWeightBytes = kWeightRows * kTileK * 2;  // of a stage
  static constexpr int kRowBytes = kTileRows * kTileK * 2;
  static constexpr int kStageBytes = kWeightBytes + kRowBytes;
  // Of the producers: eight copy a row's 128 bytes.
  static constexpr int kCopyThreads = kTileRows < 16 ? 8 * kTileRows : kWarpgroup;
};

struct Tail {  // of shared memory, behind the ring
  Barrier full[16], empty[16];
  TilePlan plan;
};

// Sums go to memory by way of shared memory, some rows at a time, so that they are stored in pieces
// of 16 bytes: FP32, laid out as [rows][64 + 4], where no two rows of a warp's store are at the
// same banks.
inline constexpr int kSumsStride = 64 + 4;
template <typename S>
constexpr int kSumsRows = S::kTileRows < 32 ? S::kTileRows : 32;  // at a time
template <typename S>
constexpr size_t tail_bytes() {
  return (sizeof(Tail) + 127) / 128 * 128;
}
template <typename S>
constexpr size_t shared_bytes() {
  return 1024 + size_t{S::kStages} * S::kStageBytes + tail_bytes<S>() +
         size_t{kSumsRows<S>} * kSumsStride * sizeof(float);
}

// A walk over the tiles that a block has.
template <typename S>
struct SmallWalk : BlockWalk<S::kTileRows> {
  __device__ SmallWalk(const Problem& problem, const Tail& tail)
      : BlockWalk<S::kTileRows>(problem, tail.plan, static_cast<int>(blockIdx.x),
                                static_cast<int>(gridDim.x)) {}
};

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

// Stores `rows` rows of sums, of the tile's from first_row on, eight features a thread.
template <typename S>
__device__ void store_sums(const Problem& p, const SmallWalk<S>& tile, const float* sums,
                           int first_row, int rows) {
  const int log_eights = p.is_swiglu ? 2 : 3;  // of a row's features
#pragma unroll 1
  for (int i = static_cast<int>(threadIdx.x); i < rows << log_eights; i += kWarpgroup) {
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
        const float4 four = *reinterpret_cast<const float4*>(from + j);
        x[j] = four.x, x[j + 1] = four.y, x[j + 2] = four.z, x[j + 3] = four.w;
      }
    }
    const int64_t at = tile.id(p.out_ids, first_row + row) * p.out_stride +
                       tile.group * p.out_group_columns + feature;
    if (p.out_is_f32)
      store_eight(static_cast<float*>(p.out) + at, x, p.stores_whole);
    else
      store_eight(static_cast<Bf16*>(p.out) + at, x, p.stores_whole);
  }
}

// A tile's d to out.
template <typename S>
__device__ void store_small(const Problem& p, const SmallWalk<S>& tile,
                            const float (&d)[S::kTileRows / 2], float* sums) {
#pragma unroll 1
  for (int first = 0; first < tile.num_rows; first += kSumsRows<S>) {
    const int end = min(first + kSumsRows<S>, tile.num_rows);
    sync_warpgroup(0);  // nobody reads the sums before
    stage_sums<S::kTileRows>(d, first, end, sums);
    sync_warpgroup(0);
    store_sums<S>(p, tile, sums, first, end - first);
  }
}

}  // namespace glint::cuda::product
