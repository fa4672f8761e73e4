#pragma once

// What decode attention needs of memory, to plan it before serving.

#include <cstdint>

namespace glint::cuda {

// Parts of the rows of a step, where rows are attended in parts.
inline constexpr int kMostDecodeParts = 3072;

// Of a part: sums, and two numbers more, in FP32.
inline constexpr int64_t decode_part_bytes(int64_t num_heads, int64_t latent) {
  return num_heads * (latent + 2) * 4;
}

}  // namespace glint::cuda
