#pragma once

// What every kernel file needs: launching, numbers of both types, and sums over a warp or a block.

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <cstdint>

#include "backend/cuda/device.h"
#include "backend/view.h"

namespace glint::cuda {

inline constexpr int kWarp = 32;

// Calls f(T{}) with the C++ type of `type`: float or __nv_bfloat16.
template <typename F>
void with_type(NumberType type, F&& f) {
  if (type == NumberType::kF32)
    f(float{});
  else
    f(__nv_bfloat16{});
}

__device__ inline float to_f32(float x) { return x; }
__device__ inline float to_f32(__nv_bfloat16 x) { return __bfloat162float(x); }
template <typename T>
__device__ T from_f32(float x);
template <>
__device__ inline float from_f32<float>(float x) {
  return x;
}
template <>
__device__ inline __nv_bfloat16 from_f32<__nv_bfloat16>(float x) {
  return __float2bfloat16_rn(x);
}

// Two numbers in BF16 side by side, a first.
__device__ inline uint32_t packed(float a, float b) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(a, b);
  return reinterpret_cast<const uint32_t&>(pair);
}

// What `x` reads as once stored in T.
template <typename T>
__device__ float rounded(float x) {
  return to_f32(from_f32<T>(x));
}

// To about four units of the last place, in few instructions: it stands at the end of every tile of
// a product.
__device__ inline float silu(float x) { return __fdividef(x, 1.0f + __expf(-x)); }

// A matrix of a known type, as a kernel takes it.
template <typename T>
struct Rows {
  T* data;
  int64_t stride;  // elements
  __device__ T* operator[](int64_t row) const { return data + row * stride; }
};

template <typename T>
Rows<T> rows_of(const Matrix& matrix) {
  return {static_cast<T*>(matrix.data), matrix.stride};
}

// Whether 16 bytes can be read at once from there, and from each row of a BF16 matrix.
inline bool is_aligned(const void* data) { return reinterpret_cast<uintptr_t>(data) % 16 == 0; }
inline bool is_bf16_in_pieces(const Matrix& m) {
  return m.type == NumberType::kBf16 && m.stride % 8 == 0 && is_aligned(m.data);
}

// The sum over the warp, the same in every lane, added in a fixed order.
__device__ inline float warp_sum(float x) {
  for (int offset = kWarp / 2; offset > 0; offset /= 2) x += __shfl_xor_sync(~0u, x, offset);
  return x;
}
__device__ inline float warp_max(float x) {
  for (int offset = kWarp / 2; offset > 0; offset /= 2)
    x = fmaxf(x, __shfl_xor_sync(~0u, x, offset));
  return x;
}

// The sum over the block, the same in every thread, added in a fixed order. `shared` has room for
// one float a warp; all threads take part, and the block is whole warps.
__device__ inline float block_sum(float x, float* shared) {
  x = warp_sum(x);
  const int warps = static_cast<int>(blockDim.x) / kWarp;
  __syncthreads();  // `shared` may still be read from a call before
  if (threadIdx.x % kWarp == 0) shared[threadIdx.x / kWarp] = x;
  __syncthreads();
  float sum = 0;
  for (int i = 0; i < warps; ++i) sum += shared[i];
  return sum;
}

// Above 48 KiB a kernel has to be told. All kernels divide the memory of a multiprocessor alike: it
// changes the division only when it is empty, so that a kernel could not begin beside the last.
template <typename Kernel>
void allow_shared_bytes(Kernel* kernel, size_t shared_bytes) {
  CUDA_CHECK(cudaFuncSetAttribute(kernel, cudaFuncAttributePreferredSharedMemoryCarveout,
                                  cudaSharedmemCarveoutMaxShared));
  if (shared_bytes <= 48 * 1024) return;
  CUDA_CHECK(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                  static_cast<int>(shared_bytes)));
}

// Starts `kernel` unless there is nothing to do, and stops the process where it cannot start.
template <typename... Parameters, typename... Arguments>
void launch(cudaStream_t stream, dim3 grid, dim3 block, size_t shared_bytes,
            void (*kernel)(Parameters...), Arguments... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  allow_shared_bytes(kernel, shared_bytes);
  kernel<<<grid, block, shared_bytes, stream>>>(static_cast<Parameters>(arguments)...);
  CUDA_CHECK(cudaGetLastError());
}

// A kernel that is launched with launch_early() begins while the one before it in the stream still
// runs. It calls wait_for_previous(), in at least one thread of every block, before it writes, and
// before it reads what may not be there yet; and let_next_start(), as a rule at its beginning, so
// that the next one may do the same. docs/kernels/launches.md says what each may read early, and
// which trigger late because others rely on it. Source: CUDA C++ Programming Guide, "Programmatic
// Dependent Launch and Synchronization".
__device__ inline void wait_for_previous() { asm volatile("griddepcontrol.wait;" ::: "memory"); }
__device__ inline void let_next_start() {
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
}

// In clusters of `cluster` blocks side by side.
template <typename... Parameters, typename... Arguments>
void launch_clusters_early(cudaStream_t stream, int cluster, dim3 grid, dim3 block,
                           size_t shared_bytes, void (*kernel)(Parameters...),
                           Arguments... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  allow_shared_bytes(kernel, shared_bytes);
  cudaLaunchAttribute attributes[2]{};
  attributes[0].id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attributes[0].val.programmaticStreamSerializationAllowed = 1;
  attributes[1].id = cudaLaunchAttributeClusterDimension;
  attributes[1].val.clusterDim = {static_cast<unsigned>(cluster), 1, 1};
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared_bytes;
  config.stream = stream;
  config.attrs = attributes;
  config.numAttrs = cluster > 1 ? 2 : 1;
  CUDA_CHECK(cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...));
}
template <typename... Parameters, typename... Arguments>
void launch_early(cudaStream_t stream, dim3 grid, dim3 block, size_t shared_bytes,
                  void (*kernel)(Parameters...), Arguments... arguments) {
  launch_clusters_early(stream, 1, grid, block, shared_bytes, kernel, arguments...);
}

inline unsigned blocks_for(int64_t count, int per_block) {
  return static_cast<unsigned>((count + per_block - 1) / per_block);
}

}  // namespace glint::cuda
