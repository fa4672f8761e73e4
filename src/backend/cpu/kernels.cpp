#include "backend/cpu/kernels.h"

namespace glint::cpu {

extern const Kernels kAvx512Kernels, kAvx2Kernels, kBaselineKernels;

std::vector<const Kernels*> available_kernels() {
  std::vector<const Kernels*> available;
  for (const Kernels* kernels : {&kAvx512Kernels, &kAvx2Kernels, &kBaselineKernels})
    if (kernels->supported()) available.push_back(kernels);
  return available;
}

}  // namespace glint::cpu
