// The matrix product of any size and type: tiles in shared memory, FP32 multiply-adds on the CUDA
// cores, each output number summed over k in order by one thread.

#include "backend/cuda/gemm.h"
#include "backend/cuda/kernel.cuh"

namespace glint::cuda {
namespace {

constexpr int kTileRows = 32;      // of x
constexpr int kTileFeatures = 64;  // rows of w
constexpr int kTileK = 32;
constexpr int kThreads = 256;
constexpr int kRowsPerThread = 2, kFeaturesPerThread = 4;  // 16 x 16 threads cover a tile

struct Groups {
  const int32_t* begin;
  const int32_t* in_ids;
  const int32_t* out_ids;
  int max_rows;
  int in_divisor;
  int x_columns, out_columns;
  int64_t w_numbers;  // of a group's weights
};

// Puts w[first ... first + 64) x [k_begin ... k_begin + 32) into tile[k][feature], zeros outside.
template <typename T>
__device__ void load_weights(const T* w, int first, int n, int k, int k_begin,
                             float (*tile)[kTileFeatures + 1]) {
  for (int i = static_cast<int>(threadIdx.x); i < kTileFeatures * kTileK; i += kThreads) {
    const int feature = first + i / kTileK, column = k_begin + i % kTileK;
    const bool inside = feature < n && column < k;
    tile[i % kTileK][i / kTileK] = inside ? to_f32(w[int64_t{feature} * k + column]) : 0.0f;
  }
}

template <typename T, typename Out, bool kSwiglu>
__global__ void __launch_bounds__(kThreads)
    gemm_kernel(Rows<const T> x, const T* w, Rows<Out> out, int n, int k, Groups groups) {
  __shared__ float x_tile[kTileK][kTileRows + 1];
  __shared__ float w_tile[kTileK][kTileFeatures + 1];
  __shared__ float up_tile[kSwiglu ? kTileK : 1][kTileFeatures + 1];

  const int group = static_cast<int>(blockIdx.z);
  const int begin = groups.begin == nullptr ? 0 : groups.begin[group];
  const int num_rows = groups.begin == nullptr ? groups.max_rows : groups.begin[group + 1] - begin;
  const int first_row = static_cast<int>(blockIdx.y) * kTileRows;
  if (first_row >= num_rows) return;
  const int first_feature = static_cast<int>(blockIdx.x) * kTileFeatures;
  const auto id_of = [&](const int32_t* ids, int row) {
    return ids == nullptr ? begin + row : ids[begin + row];
  };
  w += group * groups.w_numbers;

  const int row = static_cast<int>(threadIdx.x) / 16 * kRowsPerThread;
  const int feature = static_cast<int>(threadIdx.x) % 16;  // and 16, 32, 48 further
  float sum[kRowsPerThread][kFeaturesPerThread] = {};
  float up[kRowsPerThread][kFeaturesPerThread] = {};
  for (int k_begin = 0; k_begin < k; k_begin += kTileK) {
    for (int i = static_cast<int>(threadIdx.x); i < kTileRows * kTileK; i += kThreads) {
      const int r = first_row + i / kTileK, column = k_begin + i % kTileK;
      float value = 0;
      if (r < num_rows && column < k) {
        const int from = id_of(groups.in_ids, r) / groups.in_divisor;
        value = to_f32(x[from][group * groups.x_columns + column]);
      }
      x_tile[i % kTileK][i / kTileK] = value;
    }
    load_weights(w, first_feature, n, k, k_begin, w_tile);
    if constexpr (kSwiglu) load_weights(w + int64_t{n} * k, first_feature, n, k, k_begin, up_tile);
    __syncthreads();
    for (int kk = 0; kk < kTileK; ++kk)
      for (int r = 0; r < kRowsPerThread; ++r)
        for (int f = 0; f < kFeaturesPerThread; ++f) {
          const float value = x_tile[kk][row + r];
          sum[r][f] = fmaf(value, w_tile[kk][feature + 16 * f], sum[r][f]);
          if constexpr (kSwiglu) up[r][f] = fmaf(value, up_tile[kk][feature + 16 * f], up[r][f]);
        }
    __syncthreads();
  }
  for (int r = 0; r < kRowsPerThread; ++r) {
    if (first_row + row + r >= num_rows) return;
    Out* to = out[id_of(groups.out_ids, first_row + row + r)] + group * groups.out_columns;
    for (int f = 0; f < kFeaturesPerThread; ++f) {
      const int column = first_feature + feature + 16 * f;
      if (column >= n) continue;
      to[column] = from_f32<Out>(kSwiglu ? silu(sum[r][f]) * up[r][f] : sum[r][f]);
    }
  }
}

}  // namespace

void gemm_general(cudaStream_t stream, const GemmArgs& args) {
  CHECK(!args.w_is_transposed && args.shared_x.data == nullptr,
        "transposed weights and other rows of shared groups are for gemm_wgmma()");
  const dim3 grid(blocks_for(args.n(), kTileFeatures), blocks_for(args.max_rows, kTileRows),
                  static_cast<unsigned>(args.w.count));
  const Groups groups{.begin = args.begin,
                      .in_ids = args.in_ids,
                      .out_ids = args.out_ids,
                      .max_rows = args.max_rows,
                      .in_divisor = args.in_divisor,
                      .x_columns = args.x_group_columns,
                      .out_columns = args.out_group_columns,
                      .w_numbers = int64_t{args.w.rows} * args.w.cols};
  with_type(args.w.type, [&]<typename T>(T) {
    with_type(args.out.type, [&]<typename Out>(Out) {
      auto* kernel = args.is_swiglu ? gemm_kernel<T, Out, true> : gemm_kernel<T, Out, false>;
      const Rows<const T> x{static_cast<const T*>(args.x.data), args.x.stride};
      launch(stream, grid, dim3(kThreads), 0, kernel, x, static_cast<const T*>(args.w.data),
             rows_of<Out>(args.out), args.n(), args.k(), groups);
    });
  });
}

}  // namespace glint::cuda
