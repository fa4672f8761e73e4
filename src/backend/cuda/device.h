#pragma once

// Owners of what the CUDA runtime hands out, and what happens when it fails.
//
// A CUDA error is not an answer that anything could act on: the context is lost. CUDA_CHECK stops
// the process with the failing call, so that a supervisor restarts it.

#include <cuda_runtime_api.h>

#include <cstddef>
#include <utility>

#include "base/check.h"

namespace glint::cuda {

#define CUDA_CHECK(call)                                                                       \
  do {                                                                                         \
    const cudaError_t cuda_check_error = (call);                                               \
    CHECK(cuda_check_error == cudaSuccess, #call, ": ", cudaGetErrorString(cuda_check_error)); \
  } while (false)

// Multiprocessors of an H100 SXM and of an H200. What decides how a row is summed goes by these and
// not by those of the card at hand: a row's bits are the same on both kinds, and on any other.
inline constexpr int kUsualSms = 132;

// A stream that does not wait for the default one.
class Stream {
 public:
  Stream() { CUDA_CHECK(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking)); }
  ~Stream() { cudaStreamDestroy(stream_); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  operator cudaStream_t() const { return stream_; }
  void wait() const { CUDA_CHECK(cudaStreamSynchronize(stream_)); }

 private:
  cudaStream_t stream_ = nullptr;
};

// A number of the device's that is 0 between two kernels: one that counts in it leaves it so.
class Counter {
 public:
  Counter() {
    CUDA_CHECK(cudaMalloc(&data_, sizeof(unsigned)));
    CUDA_CHECK(cudaMemset(data_, 0, sizeof(unsigned)));
    CUDA_CHECK(cudaDeviceSynchronize());  // a Stream does not wait for it
  }
  ~Counter() { cudaFree(data_); }
  Counter(const Counter&) = delete;
  Counter& operator=(const Counter&) = delete;

  unsigned* data() { return static_cast<unsigned*>(data_); }

 private:
  void* data_ = nullptr;
};

// Memory of the device that grows to the largest step it has seen and stays. Growing waits for the
// device; once the backend is sealed (no allocation on the request path) it is a CHECK.
class Scratch {
 public:
  Scratch() = default;
  ~Scratch() { cudaFree(data_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  // At least `count` objects of T, aligned to 256 bytes, holding anything.
  template <typename T>
  T* at_least(size_t count, bool sealed) {
    const size_t bytes = count * sizeof(T);
    if (bytes > size_) grow(bytes, sealed);
    return static_cast<T*>(data_);
  }
  size_t size() const { return size_; }

 private:
  void grow(size_t bytes, bool sealed) {
    CHECK(!sealed, "a step needs ", bytes, " bytes of scratch memory, ", size_, " were planned");
    CUDA_CHECK(cudaDeviceSynchronize());
    CUDA_CHECK(cudaFree(std::exchange(data_, nullptr)));
    CUDA_CHECK(cudaMalloc(&data_, bytes));
    size_ = bytes;
  }

  void* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace glint::cuda
