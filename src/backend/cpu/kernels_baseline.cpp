#define GLINT_KERNELS kBaselineKernels
#define GLINT_ISA_NAME "x86-64"
#define GLINT_CPU_HAS true

namespace glint::cpu {
namespace {
constexpr int kRowBlock = 1;
constexpr int kColumnBlock = 2;
}  // namespace
}  // namespace glint::cpu

#include "backend/cpu/kernels_body.h"
