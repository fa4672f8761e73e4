// Rotation, and the KV rows.

#include <algorithm>
#include <cmath>

#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/rows.cuh"

namespace glint {
namespace {

using cuda::AnyRows;
using cuda::Chunk;
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

// Rotates pair i of the numbers from column `from_col` on into those from `to_col` on.
__device__ void rotate_pair(const AnyRows& from, int64_t from_row, int from_col, const AnyRows& to,
                            int64_t to_row, int to_col, int i, const float* cos_sin, int half,
                            bool interleave) {
  const int first = interleave ? 2 * i : i, second = interleave ? 2 * i + 1 : i + half;
  const float a = load_number(from, from_row, from_col + first);
  const float b = load_number(from, from_row, from_col + second);
  const float cosine = cos_sin[i], sine = cos_sin[half + i];
  store_number(to, to_row, to_col + first, a * cosine - b * sine);
  store_number(to, to_row, to_col + second, b * cosine + a * sine);
}

// One block a row, one thread a pair of a head.
__global__ void rope_query_kernel(AnyRows q, int num_heads, int head_dim, Rows<float> cos_sin,
                                  int half, bool interleave) {
  cuda::let_next_start();
  cuda::wait_for_previous();
  const int64_t t = blockIdx.x;
  for (int at = static_cast<int>(threadIdx.x); at < num_heads * half;
       at += static_cast<int>(blockDim.x)) {
    const int pe = (at / half + 1) * head_dim - 2 * half;
    rotate_pair(q, t, pe, q, t, pe, at % half, cos_sin[t], half, interleave);
  }
}

// One block a row: the norm, then the rotation.
__global__ void write_kv_kernel(StepView step, AnyRows kv_a, AnyRows kv_norm, int latent, float eps,
                                Rows<float> cos_sin, int half, bool interleave, AnyRows kv,
                                int page_size) {
  cuda::let_next_start();
  cuda::wait_for_previous();
  const int64_t t = blockIdx.x;
  if (step.token_sequence[t] < 0) return;
  const int position = step.positions[t];
  const int32_t* pages = step.pages + step.page_begin[step.token_sequence[t]];
  const int64_t row = int64_t{pages[position / page_size]} * page_size + position % page_size;
  cuda::norm_row(
      latent, eps, kv_norm, [&](int col) { return load_chunk(kv_a, t, col, latent); },
      [&](int col, const Chunk& chunk) { store_chunk(kv, row, col, latent, chunk); });
  for (int i = static_cast<int>(threadIdx.x); i < half; i += static_cast<int>(blockDim.x))
    rotate_pair(kv_a, t, latent, kv, row, latent, i, cos_sin[t], half, interleave);
}

}  // namespace

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

void CudaBackend::rope_query(Matrix q, int num_heads, Matrix cos_sin, bool interleave) {
  CHECK(cos_sin.rows == q.rows && q.cols % num_heads == 0, "q [", q.rows, ", ", q.cols, "]");
  const int half = cos_sin.cols / 2, pairs = num_heads * half;
  const unsigned threads = cuda::blocks_for(std::clamp(pairs, 1, 1024), cuda::kWarp) * cuda::kWarp;
  cuda::launch_early(stream_, static_cast<unsigned>(q.rows), threads, 0, rope_query_kernel,
               cuda::any_rows(q), num_heads, q.cols / num_heads, cuda::rows_of<float>(cos_sin),
               half, interleave);
}

void CudaBackend::write_kv(const StepView& step, Matrix kv_a, Matrix kv_norm, float eps,
                           Matrix cos_sin, bool interleave, KvPages kv) {
  CHECK(kv_a.rows == step.num_tokens && kv_a.cols == kv.row_size, "kv_a [", kv_a.rows, ", ",
        kv_a.cols, "]");
  CHECK(kv_norm.cols + cos_sin.cols == kv.row_size, "a row of ", kv.row_size);
  CHECK(cos_sin.type == NumberType::kF32 && cos_sin.rows == kv_a.rows, "cos_sin [", cos_sin.rows,
        ", ", cos_sin.cols, "]");
  const int latent = kv_norm.cols;
  cuda::launch_early(stream_, static_cast<unsigned>(kv_a.rows), cuda::row_threads(latent), 0,
               write_kv_kernel, step, cuda::any_rows(kv_a), cuda::any_rows(kv_norm), latent, eps,
               cuda::rows_of<float>(cos_sin), cos_sin.cols / 2, interleave,
               cuda::any_rows(kv.data, kv.type, kv.row_size), kv.page_size);
}

}  // namespace glint
