#pragma once

// Rows of FP32 or BF16 numbers to FP32 and back: the only places where the CPU ops round.

#include <cstring>

#include "backend/cpu/kernels.h"

namespace glint::cpu {

inline void load_row(const Kernels& kernels, const void* from, NumberType type, float* to, int n) {
  if (type == NumberType::kBf16)
    kernels.widen(static_cast<const bf16*>(from), to, n);
  else
    std::memcpy(to, from, static_cast<size_t>(n) * sizeof(float));
}

inline void store_row(const Kernels& kernels, const float* from, void* to, NumberType type, int n) {
  if (type == NumberType::kBf16)
    kernels.narrow(from, static_cast<bf16*>(to), n);
  else if (from != to)
    std::memcpy(to, from, static_cast<size_t>(n) * sizeof(float));
}

}  // namespace glint::cpu
