// The CPU backend with every set of kernels that this machine runs.

#include <cctype>

#include "backend/cpu/cpu_backend.h"
#include "backend/ops_fixture.h"

namespace glint {

std::vector<OpsCase> ops_cases() {
  std::vector<OpsCase> cases;
  for (const cpu::Kernels* kernels : cpu::available_kernels()) {
    std::string name(kernels->name);
    std::erase_if(name, [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); });
    for (const NumberType type : {NumberType::kF32, NumberType::kBf16}) {
      const int num_threads = cases.size() % 4 < 2 ? 3 : 1;
      cases.push_back({.name = name + (type == NumberType::kF32 ? "F32" : "Bf16"),
                       .type = type,
                       .make_backend = [=]() -> Result<std::unique_ptr<Backend>> {
                         return std::unique_ptr<Backend>(
                             std::make_unique<CpuBackend>(num_threads, *kernels));
                       }});
    }
  }
  return cases;
}

std::vector<OpsCase> prompt_cases() { return ops_cases(); }

}  // namespace glint
