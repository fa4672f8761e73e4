#pragma once

#include <cstdint>

namespace glint::cuda {

// A position in a ring of `size` stages in shared memory, and the parity of its phase: how often
// the ring was gone through.
struct RingCursor {
  int at = 0;
  uint32_t parity = 0;

  __device__ void advance(int size) {
    if (++at == size) at = 0, parity ^= 1;
  }
  __device__ int before(int size) const { return (at == 0 ? size : at) - 1; }
};

}  // namespace glint::cuda
