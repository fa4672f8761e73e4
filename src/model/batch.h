#pragma once

// One step's work as plain host data: which tokens of which sequences, and where their KV rows lie.

#include <cstdint>
#include <vector>

#include "base/token_id.h"

namespace glint {

using PageId = int32_t;

// Stands in token_ids for "the id that this sequence's slot sampled in the step before".
inline constexpr TokenId kSampledLastStep = -1;

// The forms of design: prompt rows may be computed in another arithmetic than decode rows.
enum class RowForm { kPrompt, kDecode };

// extend_len new tokens at positions cached_len ... cached_len + extend_len - 1 of one sequence.
// 1 when decoding, 1 + drafts when verifying, a chunk when prefilling.
struct BatchSequence {
  int slot = 0;         // sampling state, ModelRunner's SlotState
  int cached_len = 0;   // rows already in the KV cache
  int extend_len = 0;   // >= 1
  int token_begin = 0;  // its tokens are token_ids[token_begin, token_begin + extend_len)
  int page_begin = 0;   // its pages are pages[page_begin, page_begin + num_pages)
  int num_pages = 0;    // enough for cached_len + extend_len rows
  RowForm form = RowForm::kDecode;
  int num_logit_rows = 0;  // the last this many of its tokens get logits and are sampled; 0 in the
                           // middle of a prompt
};

struct Batch {
  std::vector<BatchSequence> sequences;
  std::vector<TokenId> token_ids;  // [T], sequence after sequence
  std::vector<PageId> pages;  // position p of a sequence lies in pages[page_begin + p / page_size],
                              // row p % page_size
};

}  // namespace glint
