// Rotation, and the KV rows.

#include <algorithm>
#include <cmath>

#include "backend/cuda/attention.cuh"
#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/rope.cuh"
#include "backend/cuda/rows.cuh"

namespace glint {
namespace {

using cuda::AnyRows;
using cuda::Chunk;
using cuda::is_chunked;
using cuda::Rows;

constexpr int kTableThreads = 256;

// theta^(-2i / dim) as the host's pow has it, for some i from `first` on: then the angles are those
// of the CPU backend, bit for bit.
struct Frequencies {
  static constexpr int kMost = 64;
  int first = 0;
  int count = 0;
  double of[kMost];
};

// One thread a row and frequency.
__global__ void rope_table_kernel(const int32_t* positions, int num_tokens, Frequencies frequencies,
                                  int half, Rows<float> cos_sin) {
  cuda::let_next_start();
  cuda::wait_for_previous();
  const int64_t at = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (at >= int64_t{num_tokens} * frequencies.count) return;
  const int64_t t = at / frequencies.count;
  const int i = static_cast<int>(at % frequencies.count);
  double sine, cosine;
  sincos(positions[t] * frequencies.of[i], &sine, &cosine);
  float* row = cos_sin[t] + frequencies.first + i;
  row[0] = static_cast<float>(cosine);
  row[half] = static_cast<float>(sine);
}

// How the kernels take a Rotation.
struct Turn {
  Rows<float> cos_sin;
  int half;
  bool interleave;

  // Where the numbers of pair i are among those that are rotated.
  __device__ int first(int i) const { return interleave ? 2 * i : i; }
  __device__ int second(int i) const { return interleave ? 2 * i + 1 : i + half; }
};
Turn turn_of(const Rotation& rotation) {
  return {cuda::rows_of<float>(rotation.cos_sin), rotation.cos_sin.cols / 2, rotation.interleave};
}

// Pair i of row t's rotated numbers, which lie in `row` of `from`, from `col` on.
template <typename R>
__device__ cuda::Pair turned_pair(const R& from, int64_t row, int col, int i, int64_t t,
                                  const Turn& turn) {
  const float* cos_sin = turn.cos_sin[t];
  return cuda::rotate(
      {load_number(from, row, col + turn.first(i)), load_number(from, row, col + turn.second(i))},
      cos_sin[i], cos_sin[turn.half + i]);
}
template <typename R>
__device__ void store_pair(const R& to, int64_t row, int col, int i, const Turn& turn,
                           const cuda::Pair& pair) {
  store_number(to, row, col + turn.first(i), pair.first);
  store_number(to, row, col + turn.second(i), pair.second);
}

// One block a listed row: the last numbers of each head of `from` to the last of the same head of
// `to`, which may be the same. A thread has kPairsAtOnce pairs on the way at once.
constexpr int kPairsAtOnce = 4;
template <typename R>
__global__ void rotate_heads_kernel(R from, int from_head_dim, R to, int to_head_dim,
                                    const int32_t* rows, int num_heads, Turn turn) {
  cuda::let_next_start();
  cuda::wait_for_previous();
  const int64_t t = rows[blockIdx.x];
  const int rope = 2 * turn.half, pairs = num_heads * turn.half;
  const auto threads = static_cast<int>(blockDim.x);
  for (int first = static_cast<int>(threadIdx.x); first < pairs; first += kPairsAtOnce * threads) {
    cuda::Pair turned[kPairsAtOnce];
    const auto each = [&](auto&& use) {
#pragma unroll
      for (int j = 0; j < kPairsAtOnce; ++j) {
        const int at = first + j * threads, head = at / turn.half;
        if (at < pairs) use(turned[j], head + 1, at - head * turn.half);
      }
    };
    each([&](cuda::Pair& pair, int next, int i) {
      pair = turned_pair(from, t, next * from_head_dim - rope, i, t, turn);
    });
    each([&](const cuda::Pair& pair, int next, int i) {
      store_pair(to, t, next * to_head_dim - rope, i, turn, pair);
    });
  }
}

// Where a token's KV row lies; negative for a row that is no sequence's.
__device__ int64_t kv_row_of(const StepView& step, int64_t t, int page_size) {
  if (step.token_sequence[t] < 0) return -1;
  const int position = step.positions[t];
  const int32_t* pages = step.pages + step.page_begin[step.token_sequence[t]];
  return int64_t{pages[position / page_size]} * page_size + position % page_size;
}

// Two blocks a row: blockIdx.y is 0 for the query's norm, 1 for the KV row.
template <typename R>
__global__ void split_qkv_a_kernel(StepView step, R q_a, R q_norm, int q_rank, R c_q, R kv_a,
                                   R kv_norm, int latent, float eps, Turn turn, R kv,
                                   int page_size) {
  cuda::let_next_start();
  const int64_t t = blockIdx.x;
  if (blockIdx.y == 0) {
    cuda::norm_row(
        q_rank, eps, q_norm, [&](int col) { return load_chunk(q_a, t, col, q_rank); },
        [&](int col, const Chunk& chunk, const Chunk&) {
          store_chunk(c_q, t, col, q_rank, chunk);
        });
    return;
  }
  int64_t row = -1;
  cuda::norm_row(
      latent, eps, kv_norm, [&](int col) { return load_chunk(kv_a, t, col, latent); },
      [&](int col, const Chunk& chunk, const Chunk&) {
        if (row < 0) row = kv_row_of(step, t, page_size);
        if (row >= 0) store_chunk(kv, row, col, latent, chunk);
      });
  const int pair = static_cast<int>(threadIdx.x);
  if (row < 0) row = kv_row_of(step, t, page_size);
  for (int i = pair; row >= 0 && i < turn.half; i += static_cast<int>(blockDim.x))
    store_pair(kv, row, latent, i, turn, turned_pair(kv_a, t, latent, i, t, turn));
}

// Threads for the pairs of all heads of a row.
unsigned pair_threads(int pairs) {
  return cuda::blocks_for(std::clamp(pairs, 1, 1024), cuda::kWarp) * cuda::kWarp;
}

}  // namespace

namespace cuda {

void rotate_heads(cudaStream_t stream, const Matrix& from, const Matrix& to, int num_heads,
                  const Rotation& rotation, RowList rows) {
  const unsigned threads = pair_threads(num_heads * rotation.cos_sin.cols / 2 / kPairsAtOnce);
  const auto run = [&]<typename R>(const R& rows_from) {
    launch_early(stream, static_cast<unsigned>(rows.size), threads, 0, rotate_heads_kernel<R>,
                 rows_from, from.cols / num_heads, rows_as<R>(to), to.cols / num_heads, rows.data,
                 num_heads, turn_of(rotation));
  };
  if (is_chunked(from) && is_chunked(to))
    run(rows_as<ChunkedRows>(from));
  else
    run(rows_as<AnyRows>(from));
}

}  // namespace cuda

void CudaBackend::rope_table(const StepView& step, double theta, Matrix cos_sin) {
  CHECK(cos_sin.type == NumberType::kF32 && cos_sin.rows == step.num_tokens, "cos_sin [",
        cos_sin.rows, ", ", cos_sin.cols, "]");
  const int half = cos_sin.cols / 2;
  Frequencies frequencies{};
  for (int first = 0; first < half; first += Frequencies::kMost) {
    frequencies.first = first;
    frequencies.count = std::min(half - first, Frequencies::kMost);
    for (int i = 0; i < frequencies.count; ++i)
      frequencies.of[i] = std::pow(theta, -2.0 * (first + i) / cos_sin.cols);
    const int64_t count = int64_t{step.num_tokens} * frequencies.count;
    cuda::launch_early(stream_, cuda::blocks_for(count, kTableThreads), kTableThreads, 0,
                       rope_table_kernel, step.positions, step.num_tokens, frequencies, half,
                       cuda::rows_of<float>(cos_sin));
  }
}

void CudaBackend::rope_query(Matrix q, int num_heads, const Rotation& rotation, RowList rows) {
  CHECK(rotation.cos_sin.rows == q.rows && q.cols % num_heads == 0, "q [", q.rows, ", ", q.cols,
        "]");
  cuda::rotate_heads(stream_, q, q, num_heads, rotation, rows);
}

void CudaBackend::split_qkv_a(const StepView& step, Matrix qkv_a, const QkvNorms& norms,
                              const Rotation& rotation, Matrix c_q, KvPages kv) {
  const int q_rank = norms.q.cols, latent = norms.kv.cols;
  CHECK(qkv_a.rows == step.num_tokens && qkv_a.cols == q_rank + kv.row_size, "qkv_a [", qkv_a.rows,
        ", ", qkv_a.cols, "]");
  CHECK(latent + rotation.cos_sin.cols == kv.row_size, "a row of ", kv.row_size);
  CHECK(rotation.cos_sin.type == NumberType::kF32 && rotation.cos_sin.rows == qkv_a.rows &&
            c_q.cols == q_rank && c_q.rows == qkv_a.rows,
        "cos_sin [", rotation.cos_sin.rows, ", ", rotation.cos_sin.cols, "]");
  const Matrix q_a = qkv_a.columns(0, q_rank), kv_a = qkv_a.columns(q_rank, kv.row_size);
  const bool chunked = is_chunked(q_a) && is_chunked(norms.q) && is_chunked(c_q) &&
                       is_chunked(kv_a) && is_chunked(norms.kv) &&
                       cuda::is_chunked(kv.data, kv.type, kv.row_size, kv.row_size);
  cuda::with_rows(chunked, [&]<typename R>(R) {
    cuda::launch_early(
        stream_, dim3(static_cast<unsigned>(qkv_a.rows), 2),
        cuda::row_threads(std::max(q_rank, latent)), 0, split_qkv_a_kernel<R>, step,
        cuda::rows_as<R>(q_a), cuda::rows_as<R>(norms.q), q_rank, cuda::rows_as<R>(c_q),
        cuda::rows_as<R>(kv_a), cuda::rows_as<R>(norms.kv), latent, norms.eps, turn_of(rotation),
        cuda::rows_as<R>(cuda::any_rows(kv.data, kv.type, kv.row_size)), kv.page_size);
  });
}

}  // namespace glint
