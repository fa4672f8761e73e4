// Ops on whole rows: lookups and norms. A block takes a row, a thread eight of its numbers: at
// 2,048 numbers a row is one pass of 256 threads, bound by the launch for few rows and by memory
// for many (add_rms_norm in BF16: 8 bytes read and written for each number).

#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/rows.cuh"

namespace glint {
namespace {

using cuda::AnyRows;
using cuda::check_norm;
using cuda::Chunk;
using cuda::is_chunked;
using cuda::kChunk;

// out[i] = from[indices[i]]
__global__ void copy_rows_kernel(AnyRows from, const int32_t* indices, AnyRows out, int n) {
  cuda::let_next_start();
  cuda::wait_for_previous();
  const int64_t row = blockIdx.x, source = indices[row];
  for (int col = static_cast<int>(threadIdx.x) * kChunk; col < n;
       col += static_cast<int>(blockDim.x) * kChunk)
    store_chunk(out, row, col, n, load_chunk(from, source, col, n));
}

template <typename R>
__global__ void rms_norm_kernel(R x, R weight, float eps, R out, int n) {
  cuda::let_next_start();
  const int64_t row = blockIdx.x;
  cuda::norm_row(
      n, eps, weight, [&](int col) { return load_chunk(x, row, col, n); },
      [&](int col, const Chunk& chunk, const Chunk&) { store_chunk(out, row, col, n, chunk); });
}

template <typename R>
__global__ void add_rms_norm_kernel(R delta, R residual, R weight, float eps, R out, int n) {
  cuda::let_next_start();
  const int64_t row = blockIdx.x;
  const auto sum = [&](int col) {
    Chunk chunk = load_chunk(residual, row, col, n);
    const Chunk more = load_chunk(delta, row, col, n);
    for (int i = 0; i < kChunk; ++i) chunk.x[i] += more.x[i];
    return chunk;
  };
  cuda::norm_row(n, eps, weight, sum, [&](int col, const Chunk& chunk, const Chunk& added) {
    store_chunk(residual, row, col, n, added);
    store_chunk(out, row, col, n, chunk);
  });
}

constexpr int kModelParts = 5;  // of a row: four experts and the shared one

// delta = the weighted sum of a row's parts, as moe_combine() stores it. With kParts of them, known
// here, they are on their way together; 0: parts_per_row of them, one after the other.
template <typename R, int kParts>
__global__ void combine_add_rms_norm_kernel(R parts, const float* weights, int parts_per_row,
                                            R residual, R norm, float eps, R out, int n) {
  cuda::let_next_start();
  const int64_t row = blockIdx.x;
  const int count = kParts > 0 ? kParts : parts_per_row;
  constexpr int kAtOnce = kParts > 0 ? kParts : 1;
  const auto sum = [&](int col) {
    Chunk chunk = load_chunk(residual, row, col, n), delta{};
#pragma unroll kAtOnce
    for (int j = 0; j < count; ++j) {
      const int64_t pair = row * count + j;
      const Chunk part = load_chunk(parts, pair, col, n);
      const float weight = weights[pair];
      for (int i = 0; i < kChunk; ++i) delta.x[i] = fmaf(weight, part.x[i], delta.x[i]);
    }
    for (int i = 0; i < kChunk; ++i) chunk.x[i] += rounded_as(parts, delta.x[i]);
    return chunk;
  };
  cuda::norm_row(n, eps, norm, sum, [&](int col, const Chunk& chunk, const Chunk& added) {
    store_chunk(residual, row, col, n, added);
    store_chunk(out, row, col, n, chunk);
  });
}

// Half of an output row a block: blockIdx.y is 0 for the embedding, 1 for the hidden state.
__global__ void embed_norm_concat_kernel(const int32_t* token_ids, AnyRows table, AnyRows enorm,
                                         AnyRows hidden, AnyRows hnorm, float eps,
                                         AnyRows out_embedded, AnyRows out_hidden, int n) {
  cuda::let_next_start();
  const int64_t row = blockIdx.x;
  const bool is_hidden = blockIdx.y == 1;
  const AnyRows from = is_hidden ? hidden : table;
  const AnyRows out = is_hidden ? out_hidden : out_embedded;
  cuda::norm_row(
      n, eps, is_hidden ? hnorm : enorm,
      [&](int col) { return load_chunk(from, is_hidden ? row : token_ids[row], col, n); },
      [&](int col, const Chunk& chunk, const Chunk&) { store_chunk(out, row, col, n, chunk); });
}

unsigned rows_grid(int rows) { return static_cast<unsigned>(rows); }

}  // namespace

void CudaBackend::embed(const StepView& step, Matrix table, Matrix out) {
  CHECK(out.rows == step.num_tokens && out.cols == table.cols, "out [", out.rows, ", ", out.cols,
        "]");
  cuda::launch_early(stream_, rows_grid(out.rows), cuda::row_threads(out.cols), 0, copy_rows_kernel,
                     cuda::any_rows(table), step.token_ids, cuda::any_rows(out), out.cols);
}

void CudaBackend::gather_rows(Matrix x, RowList rows, Matrix out) {
  CHECK(out.rows == rows.size && out.cols == x.cols && out.type == x.type, "out [", out.rows, ", ",
        out.cols, "]");
  cuda::launch_early(stream_, rows_grid(out.rows), cuda::row_threads(out.cols), 0, copy_rows_kernel,
                     cuda::any_rows(x), rows.data, cuda::any_rows(out), out.cols);
}

void CudaBackend::rms_norm(Matrix x, Matrix weight, float eps, Matrix out) {
  check_norm(x, weight, out);
  const bool chunked = is_chunked(x) && is_chunked(weight) && is_chunked(out);
  cuda::with_rows(chunked, [&]<typename R>(R) {
    cuda::launch_early(stream_, rows_grid(x.rows), cuda::row_threads(x.cols), 0, rms_norm_kernel<R>,
                       cuda::rows_as<R>(x), cuda::rows_as<R>(weight), eps, cuda::rows_as<R>(out),
                       x.cols);
  });
}

void CudaBackend::add_rms_norm(Matrix delta, Matrix residual, Matrix weight, float eps,
                               Matrix out) {
  check_norm(residual, weight, out);
  check_norm(delta, weight, out);
  const bool chunked =
      is_chunked(delta) && is_chunked(residual) && is_chunked(weight) && is_chunked(out);
  cuda::with_rows(chunked, [&]<typename R>(R) {
    cuda::launch_early(stream_, rows_grid(delta.rows), cuda::row_threads(delta.cols), 0,
                       add_rms_norm_kernel<R>, cuda::rows_as<R>(delta), cuda::rows_as<R>(residual),
                       cuda::rows_as<R>(weight), eps, cuda::rows_as<R>(out), delta.cols);
  });
}

void CudaBackend::moe_combine_add_rms_norm(Matrix parts, const Routing& routing, Matrix residual,
                                           Matrix weight, float eps, Matrix out) {
  check_norm(residual, weight, out);
  CHECK(residual.rows == routing.num_tokens &&
            parts.rows == routing.num_tokens * routing.experts_per_row &&
            parts.cols == residual.cols && parts.type == residual.type,
        "parts [", parts.rows, ", ", parts.cols, "] for ", residual.rows, " rows");
  const bool chunked =
      is_chunked(parts) && is_chunked(residual) && is_chunked(weight) && is_chunked(out);
  cuda::with_rows(chunked, [&]<typename R>(R) {
    auto* kernel = combine_add_rms_norm_kernel<R, 0>;
    if constexpr (std::is_same_v<R, cuda::ChunkedRows>)
      if (routing.experts_per_row == kModelParts)
        kernel = combine_add_rms_norm_kernel<R, kModelParts>;
    cuda::launch_early(stream_, rows_grid(out.rows), cuda::row_threads(out.cols), 0, kernel,
                       cuda::rows_as<R>(parts), static_cast<const float*>(routing.weights),
                       routing.experts_per_row, cuda::rows_as<R>(residual),
                       cuda::rows_as<R>(weight), eps, cuda::rows_as<R>(out), out.cols);
  });
}

void CudaBackend::embed_norm_concat(const StepView& step, Matrix table, Matrix enorm, Matrix hidden,
                                    Matrix hnorm, float eps, Matrix out) {
  const int n = table.cols;
  CHECK(out.rows == step.num_tokens && out.cols == 2 * n, "out [", out.rows, ", ", out.cols, "]");
  check_norm(hidden, enorm, out.columns(0, n));
  check_norm(hidden, hnorm, out.columns(n, n));
  cuda::launch_early(stream_, dim3(rows_grid(out.rows), 2), cuda::row_threads(n), 0,
                     embed_norm_concat_kernel, step.token_ids, cuda::any_rows(table),
                     cuda::any_rows(enorm), cuda::any_rows(hidden), cuda::any_rows(hnorm), eps,
                     cuda::any_rows(out.columns(0, n)), cuda::any_rows(out.columns(n, n)), n);
}

}  // namespace glint
