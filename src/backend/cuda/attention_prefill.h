#pragma once

// What the prefill attention needs of memory, to plan it before serving.

#include <cstddef>

namespace glint::cuda {

// Keys and values of so many context rows exist at once: 1.4 GB at 20 heads.
inline constexpr int kPrefillBlockRows = 65'536;

// Of a step.
struct PrefillLimits {
  int max_rows = 0;     // of prompts
  int max_prompts = 0;  // sequences
  int max_context = 0;  // rows of one sequence, cached and new
  int num_heads = 0;
  int block_rows = kPrefillBlockRows;
};

struct PrefillScratchBytes {
  size_t keys_values = 0;
  size_t states = 0;  // of contexts in several blocks
  size_t total() const { return keys_values + states; }
};

PrefillScratchBytes prefill_scratch_bytes(const PrefillLimits& limits);

}  // namespace glint::cuda
