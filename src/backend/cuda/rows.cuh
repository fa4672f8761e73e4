#pragma once

// Rows of FP32 or BF16 numbers, eight at a time, and the RMS norm of one.
//
// A chunk is read and written 16 bytes at a time where all rows of the matrix begin at 16 bytes.
// Which thread has which chunk does not depend on that, so neither does the order of a sum.

#include "backend/cuda/kernel.cuh"

namespace glint::cuda {

inline constexpr int kChunk = 8;

struct Chunk {
  float x[kChunk];
};

// The rows of a matrix, as a kernel takes them.
struct AnyRows {
  char* data;
  int64_t row_bytes;
  NumberType type;
  bool aligned;

  template <typename T>
  __device__ T* at(int64_t row, int col) const {
    return reinterpret_cast<T*>(data + row * row_bytes) + col;
  }
};

inline AnyRows any_rows(void* data, NumberType type, int64_t stride) {
  const int64_t row_bytes = stride * bytes_per_number(type);
  const bool aligned = reinterpret_cast<uintptr_t>(data) % 16 == 0 && row_bytes % 16 == 0;
  return {static_cast<char*>(data), row_bytes, type, aligned};
}
inline AnyRows any_rows(const Matrix& matrix) {
  return any_rows(matrix.data, matrix.type, matrix.stride);
}

template <typename T>
struct alignas(16) Pack {
  static constexpr int kSize = 16 / sizeof(T);
  T x[kSize];
};

// The first `count` of a chunk, at most kChunk; the rest is 0.
template <typename T>
__device__ Chunk load_numbers(const T* from, int count, bool aligned) {
  Chunk chunk;
  if (aligned && count >= kChunk) {
    for (int p = 0; p < kChunk / Pack<T>::kSize; ++p) {
      const Pack<T> pack = reinterpret_cast<const Pack<T>*>(from)[p];
      for (int i = 0; i < Pack<T>::kSize; ++i) chunk.x[p * Pack<T>::kSize + i] = to_f32(pack.x[i]);
    }
  } else {
    for (int i = 0; i < kChunk; ++i) chunk.x[i] = i < count ? to_f32(from[i]) : 0.0f;
  }
  return chunk;
}

template <typename T>
__device__ void store_numbers(T* to, int count, bool aligned, const Chunk& chunk) {
  if (aligned && count >= kChunk) {
    for (int p = 0; p < kChunk / Pack<T>::kSize; ++p) {
      Pack<T> pack;
      for (int i = 0; i < Pack<T>::kSize; ++i)
        pack.x[i] = from_f32<T>(chunk.x[p * Pack<T>::kSize + i]);
      reinterpret_cast<Pack<T>*>(to)[p] = pack;
    }
  } else {
    for (int i = 0; i < kChunk; ++i)
      if (i < count) to[i] = from_f32<T>(chunk.x[i]);
  }
}

// Columns [col, col + kChunk) of a row of n, col a multiple of kChunk.
__device__ inline Chunk load_chunk(const AnyRows& rows, int64_t row, int col, int n) {
  if (rows.type == NumberType::kF32)
    return load_numbers(rows.at<float>(row, col), n - col, rows.aligned);
  return load_numbers(rows.at<__nv_bfloat16>(row, col), n - col, rows.aligned);
}
__device__ inline void store_chunk(const AnyRows& rows, int64_t row, int col, int n,
                                   const Chunk& chunk) {
  if (rows.type == NumberType::kF32)
    store_numbers(rows.at<float>(row, col), n - col, rows.aligned, chunk);
  else
    store_numbers(rows.at<__nv_bfloat16>(row, col), n - col, rows.aligned, chunk);
}

__device__ inline float load_number(const AnyRows& rows, int64_t row, int col) {
  return rows.type == NumberType::kF32 ? *rows.at<float>(row, col)
                                       : to_f32(*rows.at<__nv_bfloat16>(row, col));
}
__device__ inline void store_number(const AnyRows& rows, int64_t row, int col, float x) {
  if (rows.type == NumberType::kF32)
    *rows.at<float>(row, col) = x;
  else
    *rows.at<__nv_bfloat16>(row, col) = from_f32<__nv_bfloat16>(x);
}

// Threads of a block that takes one row of n: a chunk for each, in whole warps.
inline unsigned row_threads(int n) {
  constexpr unsigned kMost = 1024;
  const unsigned threads = blocks_for(n, kChunk * kWarp) * kWarp;
  return threads < kWarp ? kWarp : threads < kMost ? threads : kMost;
}

// store(col, x / sqrt(mean(x^2) + eps) * weight, x) for the chunks x = load(col) of a row of n
// numbers, by a whole block, once the kernel before is done. load is called once or twice for each
// chunk, before store is.
template <typename Load, typename Store>
__device__ void norm_row(int n, float eps, const AnyRows& weight, Load&& load, Store&& store) {
  __shared__ float sums[kWarp];
  const int first = static_cast<int>(threadIdx.x) * kChunk;
  const int step = static_cast<int>(blockDim.x) * kChunk;
  Chunk first_chunk{}, first_weights{};  // mostly all there is
  if (first < n) first_weights = load_chunk(weight, 0, first, n);
  wait_for_previous();
  if (first < n) first_chunk = load(first);
  float squares = 0;
  for (int col = first; col < n; col += step) {
    const Chunk chunk = col == first ? first_chunk : load(col);
    for (int i = 0; i < kChunk; ++i) squares = fmaf(chunk.x[i], chunk.x[i], squares);
  }
  const float mean = block_sum(squares, sums) / static_cast<float>(n);
  const float scale = 1.0f / sqrtf(mean + eps);
  for (int col = first; col < n; col += step) {
    const Chunk chunk = col == first ? first_chunk : load(col);
    const Chunk weights = col == first ? first_weights : load_chunk(weight, 0, col, n);
    Chunk normed;
    for (int i = 0; i < kChunk; ++i) normed.x[i] = chunk.x[i] * scale * weights.x[i];
    store(col, normed, chunk);
  }
}

}  // namespace glint::cuda
