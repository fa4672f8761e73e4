#pragma once

// What one step computes.

#include <vector>

#include "scheduler/sequence.h"

namespace glint {

// The arithmetic that a backend may choose by: rows of the prompt, or of generated tokens, also
// when a retracted sequence computes those again. A chunk never has both.
enum class ChunkForm { kPrompt, kDecode };

// Rows cached_len ... cached_len + extend_len - 1 of a sequence.
struct Chunk {
  SequenceId sequence = 0;
  int cached_len = 0;
  int extend_len = 0;  // >= 1
  ChunkForm form = ChunkForm::kDecode;
  bool samples = false;  // its last row's logits give the sequence's next token
  bool starts = false;   // the first chunk since the sequence took its slot
};

struct Plan {
  std::vector<Chunk> chunks;          // at most one of a sequence
  std::vector<SequenceId> retracted;  // gave their pages back
  double cost_us = 0;                 // by the cost table
  bool empty() const { return chunks.empty(); }
};

}  // namespace glint
