// The CUDA backend on the first GPU. Where there is none, the tests say so and are skipped.

#include "backend/cuda/cuda_backend.h"
#include "backend/ops_fixture.h"

namespace glint {

std::vector<OpsCase> ops_cases() {
  const auto make = [] { return make_cuda_backend(); };
  return {{.name = "CudaF32", .type = NumberType::kF32, .make_backend = make},
          {.name = "CudaBf16", .type = NumberType::kBf16, .make_backend = make}};
}

}  // namespace glint
