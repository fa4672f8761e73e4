#define GLINT_KERNELS kAvx512Kernels
#define GLINT_ISA_NAME "avx512"
#define GLINT_CPU_HAS                                                          \
  (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&  \
   __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") && \
   __builtin_cpu_supports("fma"))

namespace glint::cpu {
namespace {
constexpr int kRowBlock = 4;
constexpr int kColumnBlock = 4;
}  // namespace
}  // namespace glint::cpu

#include "backend/cpu/kernels_body.h"
