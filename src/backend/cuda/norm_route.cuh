#pragma once

// The norm before the experts and their choice, in one kernel, for few rows.

#include "backend/backend.h"
#include "backend/cuda/device.h"
#include "backend/cuda/gemm.h"

namespace glint::cuda {

// The arguments of Backend::add_rms_norm_route().
struct NormRouteInputs {
  Matrix delta, residual;  // [T, 2048]
  Matrix norm;             // [1, 2048]
  float eps;
  Matrix w;     // [E, 2048]
  Matrix bias;  // [1, E] FP32
  RouterParams params;
};

// Whether norm_route() takes them: BF16, the model's width, at most 64 experts and 128 rows.
bool is_for_norm_route(const NormRouteInputs& inputs, const Routing& routing, const Matrix& out);

// With the bits of an add_rms_norm() and a route(). `finished` counts the clusters that are done: 0
// between two calls, and used by nothing else.
void norm_route(cudaStream_t stream, TensorMaps& maps, Counter& finished,
                const NormRouteInputs& inputs, const Routing& routing, const Matrix& out);

}  // namespace glint::cuda
