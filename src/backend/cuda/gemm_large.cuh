#pragma once

// What the warps of gemm_large.cu share: the shapes of a tile, and the rings in shared memory.

#include "backend/cuda/gemm_chunks.cuh"

namespace glint::cuda::product {

inline constexpr int kConsumers = 2;                     // warpgroups
inline constexpr int kMostStages = 16, kMostChunks = 8;  // chunks of a consumer

// How a group's weights lie in memory (GemmArgs).
enum class Weights { kPlain, kSwiglu, kTransposed };

// TileShape; also with k in parts, which are added one after another.
enum class Tile { kWide, kNarrow, kNarrowInParts };

template <Weights kWeights, Tile kTile>
struct LargeShape {
  static constexpr bool kSwiglu = kWeights == Weights::kSwiglu;
  static constexpr bool kTransposed = kWeights == Weights::kTransposed;
  static constexpr bool kAddsParts = kTile == Tile::kNarrowInParts;
  static constexpr bool kIsWide = kTile == Tile::kWide;
  static constexpr int kSets = kIsWide ? 2 : 1;  // of 64 rows of weights, of a consumer
  static constexpr int kTileRows = kIsWide      ? kMostRowsWide
                                   : kAddsParts ? kMostRowsInParts
                                                : kMostRows;
  static constexpr int kWeightRows = 64 * kSets * kConsumers;
  static constexpr int kWeightBytes = kWeightRows * kTileK * 2;  // of a stage
  static constexpr int kFeatures = kSwiglu ? 32 : 64;            // of a set
};

struct Rings {
  int stages, stage_bytes;
  int chunks;  // of a consumer
};

struct LargeTail {  // of shared memory, behind the rings
  Barrier full[kMostStages], empty[kMostStages];
  Barrier filled[kConsumers][kMostChunks], stored[kConsumers][kMostChunks];
  TilePlan plan;
};

// What a block may have for both rings.
inline constexpr int kRingBytes = 227 * 1024 - static_cast<int>(sizeof(LargeTail));

// Where everything is in shared memory.
struct Memory {
  char* shared;
  const Rings& rings;
  __device__ char* stage(int i) const { return shared + i * rings.stage_bytes; }
  __device__ char* chunk(int consumer, int i) const {
    return stage(rings.stages) + (consumer * rings.chunks + i) * kChunkBytes;
  }
  __device__ LargeTail& tail() const { return *reinterpret_cast<LargeTail*>(chunk(kConsumers, 0)); }
};

// A block's walk over its tiles.
struct LargeWalk : BlockWalk<0> {
  __device__ LargeWalk(const Problem& problem, const Memory& memory)
      : BlockWalk<0>(problem, memory.tail().plan, static_cast<int>(blockIdx.x),
                     static_cast<int>(gridDim.x)) {}
};

}  // namespace glint::cuda::product
