// Random weights.

#include <algorithm>

#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/kernel.cuh"
#include "backend/random_normal.h"

namespace glint {
namespace {

using namespace cuda;

constexpr int kThreads = 256;
constexpr int kMaxBlocks = 8 * kUsualSms;

template <typename T>
__global__ void random_normal_kernel(Rows<T> out, int cols, int64_t count, uint64_t key,
                                     int64_t begin, float sigma) {
  const int64_t step = int64_t{gridDim.x} * kThreads;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < count; i += step)
    out[i / cols][i % cols] = from_f32<T>(sigma * random_normal(key, begin + i));
}

}  // namespace

void CudaBackend::random_normal(Matrix out, uint64_t key, int64_t begin, float sigma) {
  const int64_t count = int64_t{out.rows} * out.cols;
  with_type(out.type, [&]<typename T>(T) {
    launch(stream_, dim3(std::min<unsigned>(blocks_for(count, kThreads), kMaxBlocks)),
           dim3(kThreads), 0, random_normal_kernel<T>, rows_of<T>(out), out.cols, count, key, begin,
           sigma);
  });
}

}  // namespace glint
