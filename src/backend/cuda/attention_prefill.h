#pragma once

// What the prefill attention needs of memory, to plan it before serving.

#include <cstddef>
#include <cstdint>

namespace glint::cuda {

// Keys and values of so many context rows exist at once: 440 MB at 20 heads.
inline constexpr int kPrefillBlockRows = 20'480;

struct PrefillLimits {
  int max_rows = 0;         // of a step
  int64_t max_context = 0;  // rows of all pages
  int num_heads = 0;
  int block_rows = kPrefillBlockRows;
};

// The first step with a prompt takes it: of max_rows rows, if it is to be enough for all.
size_t prefill_scratch_bytes(const PrefillLimits& limits);

}  // namespace glint::cuda
