// The CUDA backend on the first GPU. Where there is none, the tests say so and are skipped.

#include "backend/cuda/cuda_backend.h"
#include "backend/ops_fixture.h"

namespace glint {

std::vector<OpsCase> ops_cases() {
  const auto make = [] { return make_cuda_backend(); };
  return {{.name = "CudaF32", .type = NumberType::kF32, .make_backend = make},
          {.name = "CudaBf16", .type = NumberType::kBf16, .make_backend = make}};
}

std::vector<OpsCase> prompt_cases() {
  std::vector<OpsCase> cases = ops_cases();
  // Contexts in many blocks.
  const auto make = [] {
    Result<std::unique_ptr<Backend>> backend = make_cuda_backend();
    if (backend) static_cast<CudaBackend&>(**backend).set_prefill_block_rows(160);
    return backend;
  };
  cases.push_back({.name = "CudaBf16Blocks", .type = NumberType::kBf16, .make_backend = make});
  return cases;
}

}  // namespace glint
