#pragma once

#include "backend/cuda/kernel.cuh"
#include "backend/cuda/ptx.cuh"

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

// A warp arrives with what all its lanes did. One lane does it for them; but racecheck of
// compute-sanitizer only follows the lane that arrives, so built for it (GLINT_RACECHECK) all do.
#ifdef GLINT_RACECHECK
inline constexpr int kArrivalsOfWarp = kWarp;
#else
inline constexpr int kArrivalsOfWarp = 1;
#endif
__device__ inline void arrive_as_warp(Barrier& barrier) {
  __syncwarp();
  if (threadIdx.x % kWarp < kArrivalsOfWarp) barrier.arrive();
}

}  // namespace glint::cuda
