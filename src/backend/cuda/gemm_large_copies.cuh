#pragma once

// The warps of gemm_large.cu that only move data: those that fill the ring of stages, and those
// that store what is in the ring of chunks.

#include "backend/cuda/gemm_large.cuh"

namespace glint::cuda::product {

// One thread: announces what the copy engine brings to a stage and asks for its weights.
template <typename S>
__device__ void request_weights(const Problem& p, const LargeWalk& tile, int k,
                                const CUtensorMap& map, char* stage, Barrier& full) {
  const uint64_t policy = p.streams_weights ? evict_first() : evict_normal();
  const int row_bytes = p.in_ids == nullptr ? p.tiling.tile_rows * kTileK * 2 : 0;
  full.arrive_expecting(S::kWeightBytes + row_bytes);
  if constexpr (S::kTransposed) {
    constexpr int kBoxes = S::kWeightRows / 64;
#pragma unroll
    for (int i = 0; i < kBoxes; ++i) {
      const int feature = (tile.feature * kBoxes + i) * 64, head = quotient(feature, p.n);
      load_tile(stage + i * 64 * 128, map, full, policy, feature - head * p.n, k, head);
    }
  } else if constexpr (S::kSwiglu) {
    load_tile(stage, map, full, policy, k, 0, 0, tile.feature * S::kWeightRows / 16, tile.group);
  } else {
    load_tile(stage, map, full, policy, k, tile.feature * S::kWeightRows, tile.group);
  }
}

// One thread: asks for the rows of x of a stage, where they lie side by side.
template <typename S>
__device__ void request_rows(const LargeWalk& tile, int k, const CUtensorMap& map, char* stage,
                             Barrier& full) {
  load_tile(stage + S::kWeightBytes, map, full, evict_normal(),
            tile.group * tile.p.x_group_columns + k, tile.group_begin + tile.first_row, 0);
}

// A tile's rows of x that are anywhere: each of kCopyThreads copies a piece of 16 bytes of every
// eighth row. Of the rows that its warp copies it knows where some are, and asks the other lanes.
struct Gather {
  static constexpr int kCopyRows = kCopyThreads / 8;  // at once
  static constexpr int kCopies = (kMostRowsWide + 63) / 64 * 64 / kCopyRows;
  uint32_t at[kCopies / 8];  // in pieces, from p.x on
  int num_rows;

  __device__ void begin(const BlockWalk<0>& tile, int thread) {
    const Problem& p = tile.p;
    const int lane = thread % kWarp, warp = thread / kWarp;
    const auto stride = static_cast<uint32_t>(p.x_stride / 8);
    const auto column = static_cast<uint32_t>(tile.group * p.x_group_columns / 8);
    num_rows = tile.num_rows;
#pragma unroll
    for (int i = 0; i < kCopies / 8; ++i) {
      const int row = (8 * i + lane / 4) * kCopyRows + 4 * warp + lane % 4;
      at[i] = 0;
      if (row < num_rows)
        at[i] =
            static_cast<uint32_t>(quotient(tile.id(p.in_ids, row), p.in_divisor)) * stride + column;
    }
  }
  // A row that is not there keeps what was there: it is summed, if at all, to a number that is not
  // stored.
  __device__ void copy(const Bf16* x, uint32_t to_rows, int thread) const {
    const int piece = thread % 8, first = thread / 8, lane = thread % kWarp;
    // The swizzle exchanges a row's pieces by row % 8.
    const uint32_t to = to_rows + static_cast<uint32_t>(first * 128 + ((piece ^ first) << 4));
    x += piece * 8;
#pragma unroll
    for (int eight = 0; eight < kCopies / 8; ++eight) {
      if (eight * 8 * kCopyRows >= num_rows) break;
      uint32_t from[8];
#pragma unroll
      for (int i = 0; i < 8; ++i) from[i] = __shfl_sync(~0u, at[eight], i * 4 + lane / 8);
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        const int row = (eight * 8 + i) * kCopyRows;
        copy_16_bytes_if(first + row < num_rows, to + static_cast<uint32_t>(row * 128),
                         x + uint64_t{8} * from[i]);
      }
    }
  }
};

// kCopyThreads, of which one asks the copy engine.
template <typename S>
__device__ void produce(const Problem& p, const CUtensorMap& weights, const CUtensorMap& rows,
                        const Memory& memory) {
  const int thread = static_cast<int>(threadIdx.x) % kWarpgroup, stages = memory.rings.stages;
  const bool gathers = S::kCanGather && p.in_ids != nullptr;
  LargeTail& tail = memory.tail();
  LargeWalk tile(p, memory);
  RingCursor now;
  Gather gather;
  int early = -1;  // stages whose weights are requested; negative: the first tile is to come
  while ((gathers || thread == 0) && tile.next()) {
    if (early < 0) {  // before the kernel that makes x is done
      early = min(stages, p.k / kTileK);
#pragma unroll 1
      for (int i = 0; i < early && thread == 0; ++i)
        request_weights<S>(p, tile, i * kTileK, weights, memory.stage(i), tail.full[i]);
      wait_for_previous();
    }
    if (gathers) gather.begin(tile, thread);
#pragma unroll 1
    for (int k = 0; k < p.k; k += kTileK) {
      char* stage = memory.stage(now.at);
      Barrier& full = tail.full[now.at];
      tail.empty[now.at].wait(now.parity ^ 1);
      if (early > 0)
        --early;
      else if (thread == 0)
        request_weights<S>(p, tile, k, weights, stage, full);
      if (gathers) {
        gather.copy(p.x + k, shared_address(stage + S::kWeightBytes), thread);
        arrive_when_copied(full);
      } else {
        request_rows<S>(tile, k, rows, stage, full);
      }
      now.advance(stages);
    }
  }
  wait_for_previous();  // a block without a tile too
  commit_copies();
  wait_copies<0>();
}

// One warp: the chunks of a consumer to out.
template <typename S>
__device__ void store(const Problem& p, const Memory& memory, int consumer) {
  const int number_bytes = p.out_is_f32 ? 4 : 2;
  const ChunkLane lane(log_pieces_of(S::kSwiglu, p.out_is_f32));
  const int chunk_rows = chunk_rows_of(lane.log_pieces);
  const int row_bytes = static_cast<int>(p.out_stride) * number_bytes;
  LargeTail& tail = memory.tail();
  LargeWalk tile(p, memory);
  RingCursor now;
  // Of the tile's rows, those from `first` on that the next chunk has.
  const auto store_rows = [&](int first, int rows, char* out) {
    const char* chunk = memory.chunk(consumer, now.at);
    int ids[ChunkLane::kRows];  // before the sums are there
#pragma unroll
    for (int i = 0; i < ChunkLane::kRows; ++i)
      ids[i] = lane.row(i) < rows ? tile.id(p.out_ids, first + lane.row(i)) : 0;
    tail.filled[consumer][now.at].wait(now.parity);
    if (p.stores_whole)
      lane.store(chunk, rows, ids, out, row_bytes);
    else if (p.out_is_f32)
      lane.store_numbers<float>(chunk, rows, ids, out, row_bytes);
    else
      lane.store_numbers<Bf16>(chunk, rows, ids, out, row_bytes);
    __syncwarp();
    if (threadIdx.x % kWarp == 0) tail.stored[consumer][now.at].arrive();
    now.advance(memory.rings.chunks);
  };
  while (tile.next()) {
#pragma unroll 1
    for (int set = 0; set < S::kSets; ++set) {
      int feature = ((tile.feature * kConsumers + consumer) * S::kSets + set) * S::kFeatures;
      int group = tile.group, features = p.n - feature;  // that there are from here on
      if constexpr (S::kTransposed) {
        group = quotient(feature, p.n);
        feature -= group * p.n;
        features = group < p.heads ? p.n - feature : 0;
      }
      const int64_t column = int64_t{group} * p.out_group_columns + feature;
      char* out = static_cast<char*>(p.out) + column * number_bytes + lane.piece * 16;
      const bool stores = lane.piece * 16 < features * number_bytes;
#pragma unroll 1
      for (int first = 0; first < tile.num_rows; first += chunk_rows)
        store_rows(first, stores ? min(chunk_rows, tile.num_rows - first) : 0, out);
    }
  }
}

}  // namespace glint::cuda::product
