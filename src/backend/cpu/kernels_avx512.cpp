#define GLINT_KERNELS kAvx512Kernels
#define GLINT_ISA_NAME "avx512"
#define GLINT_CPU_HAS (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw"))

namespace glint::cpu {
namespace {
constexpr int kRowBlock = 4;
constexpr int kColumnBlock = 4;
}  // namespace
}  // namespace glint::cpu

#include "backend/cpu/kernels_body.h"
