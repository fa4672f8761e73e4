#define GLINT_KERNELS kAvx2Kernels
#define GLINT_ISA_NAME "avx2"
#define GLINT_CPU_HAS (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))

namespace glint::cpu {
namespace {
constexpr int kRowBlock = 2;
constexpr int kColumnBlock = 2;
}  // namespace
}  // namespace glint::cpu

#include "backend/cpu/kernels_body.h"
