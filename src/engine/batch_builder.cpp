#include "engine/batch_builder.h"

#include <algorithm>

#include "base/check.h"

namespace glint {
namespace {

TokenId token_at(const Sequence& sequence, int position) {
  const bool is_known = position < static_cast<int>(sequence.tokens.size());
  if (is_known) return sequence.tokens[static_cast<size_t>(position)];
  if (planted(PlantedBug::kUnknownTokenPlanned)) return sequence.tokens.back();
  return kSampledLastStep;
}

void append_chunk(Batch& batch, const Sequence& sequence, const Chunk& chunk, int page_size) {
  const int end = chunk.cached_len + chunk.extend_len;
  BatchSequence out;
  out.slot = sequence.slot;
  out.cached_len = chunk.cached_len;
  out.extend_len = chunk.extend_len;
  out.token_begin = static_cast<int>(batch.token_ids.size());
  out.page_begin = static_cast<int>(batch.pages.size());
  out.num_pages = (end + page_size - 1) / page_size;
  out.form = chunk.form == ChunkForm::kPrompt ? RowForm::kPrompt : RowForm::kDecode;
  out.num_logit_rows = chunk.samples ? 1 : 0;
  for (int position = chunk.cached_len; position < end; ++position)
    batch.token_ids.push_back(token_at(sequence, position));
  batch.pages.insert(batch.pages.end(), sequence.pages.begin(),
                     sequence.pages.begin() + out.num_pages);
  batch.sequences.push_back(out);
}

}  // namespace

Batch build_batch(const Scheduler& scheduler, const Plan& plan) {
  Batch batch;
  batch.sequences.reserve(plan.chunks.size());
  for (const Chunk& chunk : plan.chunks) {
    const Sequence* sequence = scheduler.find(chunk.sequence);
    CHECK(sequence != nullptr, "sequence ", chunk.sequence, " was planned but is not here");
    append_chunk(batch, *sequence, chunk, scheduler.limits().page_size);
  }
  return batch;
}

}  // namespace glint
