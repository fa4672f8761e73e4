#pragma once

// What the kernels of gemm_small.cu, gemm_large.cu and gemm_cluster.cu share: the product as a
// kernel takes it, the walk over its tiles, and the ring that is filled ahead.

#include "backend/cuda/gemm.h"
#include "backend/cuda/gemm_walk.h"
#include "backend/cuda/kernel.cuh"
#include "backend/cuda/ptx.cuh"
#include "backend/cuda/ring.cuh"

namespace glint::cuda::product {

using Bf16 = __nv_bfloat16;

inline constexpr int kTileK = 64;  // columns of a stage: 128 bytes
inline constexpr int kWarpgroup = 128;

struct Problem {
  Tiling tiling;
  const Bf16* x;
  int64_t x_stride;
  void* out;
  int64_t out_stride;
  const int32_t* begin;
  const int32_t* in_ids;
  const int32_t* out_ids;
  int x_group_columns, out_group_columns;
  int in_divisor;
  int n, k;                    // of a group
  int parts;                   // of k, a power of two
  bool streams_weights;        // read about once, but for shared groups': memory is the limit
  bool stores_whole;           // out can take 16 bytes at every multiple of 8 features
  bool begin_is_settled;       // known before the kernel that makes x is done
  bool is_swiglu, out_is_f32;  // kernels that are not compiled for one of them ask
  // Of large tiles.
  int heads = 1;                    // groups whose features are walked as those of one
  bool shared_reads_other = false;  // GemmArgs::shared_x
};

inline bool stores_whole(const GemmArgs& args) {
  return is_aligned(args.out.data) && args.out.stride % 8 == 0 && args.out_group_columns % 8 == 0;
}

// A block's walk over its tiles.
template <int kTileRows>
struct BlockWalk : TileWalk<kTileRows> {
  const Problem& p;
  __device__ BlockWalk(const Problem& problem, const TilePlan& plan, int index, int stride)
      : TileWalk<kTileRows>{problem.tiling, plan, index, stride}, p(problem) {}
  // Where the tile's row, from 0, is read or goes, by the product's list of that.
  __device__ int id(const int32_t* ids, int row) const {
    const int i = this->group_begin + this->first_row + row;
    return ids == nullptr ? i : ids[i];
  }
};

// All threads: fills `plan`.
template <int kTileRows>
__device__ void plan_tiles(const Problem& p, TilePlan& plan) {
  const Tiling& tiling = p.tiling;
  int* tile_begin = plan.tile_begin;
#pragma unroll 1
  for (int g = static_cast<int>(threadIdx.x); g < tiling.groups;
       g += static_cast<int>(blockDim.x)) {
    int rows = tiling.max_rows;
    if (tiling.is_listed) {
      const int begin = p.begin[g], end = p.begin[g + 1];
      plan.row_begin[g] = begin;
      if (g == tiling.groups - 1) plan.row_begin[tiling.groups] = end;
      rows = end - begin;
    }
    const RowCut cut = cut_rows<kTileRows>(rows, tiling.tile_rows);
    tile_begin[g + 1] = tiling.feature_tiles * cut.count;
  }
  __syncthreads();
  if (threadIdx.x >= kWarp) return;
  const int each = (tiling.groups + kWarp - 1) / kWarp, lane = static_cast<int>(threadIdx.x);
  const int first = lane * each, end = min(first + each, tiling.groups);
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

// The product in tiles of many rows (gemm_large.cu) and of few (gemm_small.cu). What of `problem`
// depends on the kernel's tiles is filled in there.
void run_large(cudaStream_t stream, int num_sms, TensorMaps& maps, const GemmArgs& args,
               Problem problem);
void run_small(cudaStream_t stream, int num_sms, TensorMaps& maps, const GemmArgs& args,
               Problem problem);

}  // namespace glint::cuda::product
