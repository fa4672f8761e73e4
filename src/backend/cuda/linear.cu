// The dense products: linear, linear_swiglu.

#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/kernel.cuh"

namespace glint {

void CudaBackend::linear(Matrix x, Matrix w, Matrix out) {
  CHECK(w.cols == x.cols && w.type == x.type && w.stride == w.cols, "w [", w.rows, ", ", w.cols,
        "] for x of ", x.cols);
  CHECK(out.rows == x.rows && out.cols == w.rows, "out [", out.rows, ", ", out.cols, "]");
  gemm({.x = x, .w = {w.data, w.type, 1, w.rows, w.cols}, .out = out, .max_rows = x.rows});
}

void CudaBackend::linear_swiglu(Matrix x, Matrix w, Matrix out) {
  CHECK(w.cols == x.cols && w.type == x.type && w.stride == w.cols && w.rows % 2 == 0, "w [",
        w.rows, ", ", w.cols, "] for x of ", x.cols);
  CHECK(out.rows == x.rows && out.cols == w.rows / 2, "out [", out.rows, ", ", out.cols, "]");
  gemm({.x = x,
        .w = {w.data, w.type, 1, w.rows, w.cols},
        .is_swiglu = true,
        .out = out,
        .max_rows = x.rows});
}

void CudaBackend::gemm(const cuda::GemmArgs& args) {
  cuda::gemm(stream_, num_sms_, tensor_maps_, args);
}

}  // namespace glint
