#pragma once

// The warps of gemm_large.cu that only move data: one that fills the ring of stages, and those that
// store what is in the ring of chunks.

#include "backend/cuda/gemm_large.cuh"

namespace glint::cuda::product {

struct LargeMaps {
  CUtensorMap weights, rows, shared_rows;
};

// One thread: announces what the copy engine brings to a stage and asks for its weights.
template <typename S>
__device__ void request_weights(const Problem& p, const LargeWalk& tile, int k,
                                const CUtensorMap& map, char* stage, Barrier& full) {
  const Reads reads = p.streams_weights && !tile.is_shared() ? Reads::kOnce : Reads::kAgain;
  full.arrive_expecting(S::kWeightBytes + p.tiling.tile_rows * kTileK * 2);
  if constexpr (S::kTransposed) {
    constexpr int kBoxes = S::kWeightRows / 64;
#pragma unroll
    for (int i = 0; i < kBoxes; ++i) {
      const int feature = (tile.feature * kBoxes + i) * 64, head = quotient(feature, p.n);
      load_tile(stage + i * 64 * 128, map, full, reads, feature - head * p.n, k, head);
    }
  } else if constexpr (S::kSwiglu) {
    load_tile(stage, map, full, reads, k, 0, 0, tile.feature * S::kWeightRows / 16, tile.group);
  } else {
    load_tile(stage, map, full, reads, k, tile.feature * S::kWeightRows, tile.group);
  }
}

// One thread: asks for the rows of x of a stage. Those of a tile that its group does not have are
// the next group's, or zeros: they are summed, if at all, to numbers that are not stored.
template <typename S>
__device__ void request_rows(const Problem& p, const LargeWalk& tile, int k, const LargeMaps& maps,
                             char* stage, Barrier& full) {
  const bool is_other = p.shared_reads_other && tile.is_shared();
  load_tile(stage + S::kWeightBytes, is_other ? maps.shared_rows : maps.rows, full, Reads::kAgain,
            tile.group * p.x_group_columns + k, (is_other ? 0 : tile.group_begin) + tile.first_row,
            0);
}

// One thread.
template <typename S>
__device__ void produce(const Problem& p, const LargeMaps& maps, const Memory& memory) {
  const int stages = memory.rings.stages;
  LargeTail& tail = memory.tail();
  LargeWalk tile(p, memory);
  RingCursor now;
  int early = -1;  // stages whose weights are requested; negative: the first tile is to come
  while (tile.next()) {
    if (early < 0) {  // before the kernel that makes x is done
      early = min(stages, p.k / kTileK);
#pragma unroll 1
      for (int i = 0; i < early; ++i)
        request_weights<S>(p, tile, i * kTileK, maps.weights, memory.stage(i), tail.full[i]);
      wait_for_previous();
    }
#pragma unroll 1
    for (int k = 0; k < p.k; k += kTileK) {
      char* stage = memory.stage(now.at);
      Barrier& full = tail.full[now.at];
      tail.empty[now.at].wait(now.parity ^ 1);
      if (early > 0)
        --early;
      else
        request_weights<S>(p, tile, k, maps.weights, stage, full);
      request_rows<S>(p, tile, k, maps, stage, full);
      now.advance(stages);
    }
  }
  wait_for_previous();  // a block without a tile too
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
    arrive_as_warp(tail.stored[consumer][now.at]);
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
