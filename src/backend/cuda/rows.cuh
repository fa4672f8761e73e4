#pragma once

// Rows of FP32 or BF16 numbers, eight at a time, and the RMS norm of one.
//
// A chunk is read and written 16 bytes at a time where all rows of the matrix begin at 16 bytes.
// Which thread has which chunk does not depend on that, so neither does the order of a sum. Kernels
// take any rows, or chunked ones, which are what the model has: they come to a third of the code,
// which a step of few rows reads from memory at every call.

#include <type_traits>

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
  const bool aligned = is_aligned(data) && row_bytes % 16 == 0;
  return {static_cast<char*>(data), row_bytes, type, aligned};
}
inline AnyRows any_rows(const Matrix& matrix) {
  return any_rows(matrix.data, matrix.type, matrix.stride);
}

// BF16 rows of whole chunks that begin at 16 bytes, at most one chunk a thread.
struct ChunkedRows {
  char* data;
  int64_t row_bytes;

  __device__ __nv_bfloat16* at(int64_t row, int col) const {
    return reinterpret_cast<__nv_bfloat16*>(data + row * row_bytes) + col;
  }
};

inline bool is_chunked(void* data, NumberType type, int64_t stride, int cols) {
  return type == NumberType::kBf16 && any_rows(data, type, stride).aligned && cols % kChunk == 0 &&
         cols <= 1024 * kChunk;
}
inline bool is_chunked(const Matrix& m) { return is_chunked(m.data, m.type, m.stride, m.cols); }

// `rows` as a kernel's R has them.
template <typename R>
R rows_as(const AnyRows& rows) {
  if constexpr (std::is_same_v<R, AnyRows>)
    return rows;
  else
    return {rows.data, rows.row_bytes};
}
template <typename R>
R rows_as(const Matrix& matrix) {
  return rows_as<R>(any_rows(matrix));
}

// Calls f(R{}) with the kind of rows that a kernel is to take.
template <typename F>
void with_rows(bool chunked, F&& f) {
  if (chunked)
    f(ChunkedRows{});
  else
    f(AnyRows{});
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

__device__ inline Chunk load_chunk(const ChunkedRows& rows, int64_t row, int col, int) {
  return load_numbers(rows.at(row, col), kChunk, true);
}
__device__ inline void store_chunk(const ChunkedRows& rows, int64_t row, int col, int,
                                   const Chunk& chunk) {
  store_numbers(rows.at(row, col), kChunk, true, chunk);
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

__device__ inline float load_number(const ChunkedRows& rows, int64_t row, int col) {
  return to_f32(*rows.at(row, col));
}
__device__ inline void store_number(const ChunkedRows& rows, int64_t row, int col, float x) {
  *rows.at(row, col) = from_f32<__nv_bfloat16>(x);
}

// What x reads as once stored in a row of `rows`.
__device__ inline float rounded_as(const AnyRows& rows, float x) {
  return rows.type == NumberType::kF32 ? x : rounded<__nv_bfloat16>(x);
}
__device__ inline float rounded_as(const ChunkedRows&, float x) {
  return rounded<__nv_bfloat16>(x);
}

inline void check_norm(const Matrix& x, const Matrix& weight, const Matrix& out) {
  CHECK(weight.cols == x.cols && weight.rows == 1, "weight [", weight.rows, ", ", weight.cols,
        "] for rows of ", x.cols);
  CHECK(out.rows == x.rows && out.cols == x.cols, "out [", out.rows, ", ", out.cols, "]");
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
template <typename R, typename Load, typename Store>
__device__ void norm_row(int n, float eps, const R& weight, Load&& load, Store&& store) {
  __shared__ float sums[kWarp];
  const int first = static_cast<int>(threadIdx.x) * kChunk;
  constexpr bool kOnePass = std::is_same_v<R, ChunkedRows>;
  const int step = kOnePass ? 1024 * kChunk : static_cast<int>(blockDim.x) * kChunk;
  Chunk first_chunk{}, first_weights{};  // mostly all there is
  if (first < n) first_weights = load_chunk(weight, 0, first, n);
  wait_for_previous();
  if (first < n) first_chunk = load(first);
  float squares = 0;
  for (int col = first; col < n; col += step) {
    const Chunk chunk = kOnePass || col == first ? first_chunk : load(col);
    for (int i = 0; i < kChunk; ++i) squares = fmaf(chunk.x[i], chunk.x[i], squares);
    if (kOnePass) break;
  }
  const float mean = block_sum(squares, sums) / static_cast<float>(n);
  const float scale = 1.0f / sqrtf(mean + eps);
  for (int col = first; col < n; col += step) {
    const Chunk chunk = kOnePass || col == first ? first_chunk : load(col);
    const Chunk weights = kOnePass || col == first ? first_weights : load_chunk(weight, 0, col, n);
    Chunk normed;
    for (int i = 0; i < kChunk; ++i) normed.x[i] = chunk.x[i] * scale * weights.x[i];
    store(col, normed, chunk);
    if (kOnePass) break;
  }
}

}  // namespace glint::cuda
