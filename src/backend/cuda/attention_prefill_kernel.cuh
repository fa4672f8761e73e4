#pragma once

// The attention over keys and values that lie in one block of memory, and what the host prepares
// for it.

#include <cuda.h>

#include "backend/cuda/kernel.cuh"

namespace glint::cuda::prefill {

using Bf16 = __nv_bfloat16;

inline constexpr int kLatent = 512, kNope = 192, kRope = 64, kHead = 256;
inline constexpr int kRow = kLatent + kRope;
inline constexpr int kMaxHeads = 32;
inline constexpr int kWarpgroup = 128;
inline constexpr int kConsumers = 2;
inline constexpr int kThreads = (kConsumers + 1) * kWarpgroup;
inline constexpr int kQueries = 64 * kConsumers;  // of a block
inline constexpr int kKeys = 80;                  // of a tile
inline constexpr int kStages = 2;
inline constexpr int kBoxes = kHead / 64;  // of 64 columns, 128 bytes a row
inline constexpr int kKeyBoxBytes = kKeys * 128, kQueryBoxBytes = kQueries * 128;
inline constexpr int kTileBytes = kBoxes * kKeyBoxBytes;
inline constexpr int kMaxPrompts = 64;  // of a launch

// One prompt's part of a launch.
struct Prompt {
  int row_begin, num_rows;  // in q and o
  int first_position;       // of its first row
  int page_begin;
  int key_begin;   // where its context lies in the block
  int tile_begin;  // of its first tile of kQueries rows
  __device__ int end_position() const { return first_position + num_rows; }
};

// Row r of the block: keys of all heads | values of all heads | latents.
struct Block {
  Bf16* data;
  int num_rows;
  int num_heads;
  int begin, end;  // the positions that it has, from and up to
  __host__ __device__ int64_t stride() const {
    return 2 * static_cast<int64_t>(num_heads) * kHead + kLatent;
  }
};

struct Launch {
  Prompt prompts[kMaxPrompts];
  int num_prompts;
  Block block;
};

__device__ inline int prompt_of_key(const Launch& launch, int row) {
  int p = 0;
  while (p + 1 < launch.num_prompts && row >= launch.prompts[p + 1].key_begin) ++p;
  return p;
}
__device__ inline int prompt_of_tile(const Launch& launch, int tile) {
  int p = 0;
  while (p + 1 < launch.num_prompts && tile >= launch.prompts[p + 1].tile_begin) ++p;
  return p;
}

struct Output {
  Bf16* data;
  int64_t stride;
  bool is_aligned;  // to 16 bytes, every row
};

// The registers of the consumers between two blocks of a context.
struct State {
  float* data;
  bool is_first, is_last;  // block
};
inline constexpr int kStateNumbers = 64 * kHead / kWarpgroup + 4;  // of a thread

// Grid: heads, tiles of kQueries rows of all prompts. `query_map`: boxes of kQueries rows of q;
// `block_map`: of kKeys rows of the block.
void attend(cudaStream_t stream, dim3 grid, const Launch& launch, const CUtensorMap& query_map,
            const CUtensorMap& block_map, float scale_log2, const State& state,
            const Output& output);

}  // namespace glint::cuda::prefill
