#pragma once

// How the sums of gemm_large.cu go to memory: in chunks of some rows, which the warps that summed
// them put into shared memory as they are stored, and another warp stores.

#include "backend/cuda/gemm_tiles.cuh"

namespace glint::cuda::product {

// A row of a chunk is a warpgroup's features of a row of out: 1 << log_pieces pieces of 16 bytes.
inline constexpr int kChunkBytes = 4096;
inline constexpr int kChunkPieces = kChunkBytes / 16;

__host__ __device__ constexpr int log_pieces_of(bool is_swiglu, bool is_f32) {
  return (is_swiglu ? 2 : 3) + (is_f32 ? 1 : 0);
}
__host__ __device__ constexpr int chunk_rows_of(int log_pieces) {
  return kChunkPieces >> log_pieces;
}
// Pieces are exchanged so that neither a warp's rows of one column nor the pieces that it reads
// side by side are at the same banks.
__device__ inline int piece_offset(int log_pieces, int row, int piece) {
  const int place = log_pieces == 2 ? piece ^ row / 2 % 4 : piece ^ row % 8;
  return ((row << log_pieces) + place) * 16;
}

// A chunk's rows from their sums x, laid out as Wgmma says, of which there are `rows`, a multiple
// of eight and a constant once this is inlined; a chunk's other rows get anything. A warp has eight
// features and then eight more; with SwiGLU these are gates and their ups.
template <typename Out, bool kSwiglu>
__device__ __forceinline__ void fill_chunk(const float* x, int rows, char* chunk) {
  constexpr int kLogPieces = log_pieces_of(kSwiglu, sizeof(Out) == 4);
  constexpr int kRows = chunk_rows_of(kLogPieces);
  int thread = static_cast<int>(threadIdx.x) % kWarpgroup;
  asm volatile("" : "+r"(thread));  // what is made of it takes no registers before
  const int warp = thread / kWarp, lane = thread % kWarp;
  if constexpr (sizeof(Out) == 4) {
#pragma unroll
    for (int i = 0; i < kRows / 2; ++i) {
      const bool is_second = i / 2 % 2 == 1;
      if (2 * i >= rows || (kSwiglu && is_second)) continue;
      const int row = i / 4 * 8 + lane % 4 * 2 + i % 2;
      const int feature = lane / 4 + (kSwiglu ? warp * 8 : warp * 16 + (is_second ? 8 : 0));
      float* piece = reinterpret_cast<float*>(chunk + piece_offset(kLogPieces, row, feature / 4));
      piece[feature % 4] = kSwiglu ? silu(x[i]) * x[i + 2] : x[i];
    }
  } else {
    const int matrix = lane / 8, in_matrix = lane % 8;
    constexpr int kAtOnce = kSwiglu ? 32 : 16;
#pragma unroll
    for (int first = 0; first < kRows; first += kAtOnce, x += kAtOnce / 2) {
      if (first >= rows) break;
      uint32_t pairs[4];
      int row = first + in_matrix, piece = warp;
      if constexpr (kSwiglu) {  // a matrix for each 8 rows
        row += matrix * 8;
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const bool is_there = first + 8 * i < rows;
          pairs[i] = is_there
                         ? packed(silu(x[4 * i]) * x[4 * i + 2], silu(x[4 * i + 1]) * x[4 * i + 3])
                         : 0;
        }
      } else {  // two for each 8 rows
        row += matrix / 2 * 8;
        piece = 2 * warp + matrix % 2;
#pragma unroll
        for (int i = 0; i < 4; ++i)
          pairs[i] = first + i / 2 * 8 < rows ? packed(x[2 * i], x[2 * i + 1]) : 0;
      }
      store_matrices_transposed(shared_address(chunk + piece_offset(kLogPieces, row, piece)),
                                pairs);
    }
  }
}

// A lane's part in storing a chunk: a piece of every (32 >> log_pieces)th row.
struct ChunkLane {
  static constexpr int kRows = kChunkPieces / kWarp;
  int log_pieces;
  int first_row, piece;

  __device__ explicit ChunkLane(int log_pieces_of_row) : log_pieces(log_pieces_of_row) {
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
    first_row = lane >> log_pieces;
    piece = lane & ((1 << log_pieces) - 1);
  }
  __device__ int row(int i) const { return first_row + i * (kWarp >> log_pieces); }
  __device__ const char* at(const char* chunk, int i) const {
    return chunk + piece_offset(log_pieces, row(i), piece);
  }

  // Rows [0, rows) of `chunk` to memory: this lane's i-th to out + ids[i] * row_bytes.
  __device__ void store(const char* chunk, int rows, const int (&ids)[kRows], char* out,
                        int row_bytes) const {
    constexpr int kAtOnce = 4;
#pragma unroll
    for (int first = 0; first < kRows; first += kAtOnce) {
      uint4 x[kAtOnce];
#pragma unroll
      for (int i = 0; i < kAtOnce; ++i)
        x[i] = *reinterpret_cast<const uint4*>(at(chunk, first + i));
#pragma unroll
      for (int i = 0; i < kAtOnce; ++i) {
        auto* to = reinterpret_cast<uint4*>(out + int64_t{ids[first + i]} * row_bytes);
        if (row(first + i) < rows) *to = x[i];
      }
    }
  }
  // The same where a row may begin anywhere.
  template <typename Out>
  __device__ void store_numbers(const char* chunk, int rows, const int (&ids)[kRows], char* out,
                                int row_bytes) const {
#pragma unroll
    for (int i = 0; i < kRows; ++i) {
      if (row(i) >= rows) break;
      const Out* from = reinterpret_cast<const Out*>(at(chunk, i));
      Out* to = reinterpret_cast<Out*>(out + int64_t{ids[i]} * row_bytes);
#pragma unroll 1
      for (int j = 0; j < 16 / static_cast<int>(sizeof(Out)); ++j) to[j] = from[j];
    }
  }
};

}  // namespace glint::cuda::product
