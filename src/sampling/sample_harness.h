#pragma once

// For tests: the sample op of the CPU backend over plain vectors.

#include <algorithm>
#include <memory>
#include <vector>

#include "backend/cpu/cpu_backend.h"
#include "sampling/slot_memory.h"

namespace glint {

struct SampleResult {
  TokenId id = 0;
  bool bad_numbers = false;
  float logprob = 0;
  std::vector<TokenId> top_ids;
  std::vector<float> top_logprobs;
};

class SampleHarness {
 public:
  // One row for each slot. The rows are of one length; ids from num_valid_tokens on have no token.
  std::vector<SampleResult> sample(const std::vector<SlotMemory*>& slots,
                                   const std::vector<std::vector<float>>& rows,
                                   int num_valid_tokens) {
    const size_t n = rows.size();
    std::vector<float> logits;
    std::vector<SampleSlot*> pointers;
    SampleArgs args;
    for (const auto& row : rows) logits.insert(logits.end(), row.begin(), row.end());
    for (SlotMemory* slot : slots) pointers.push_back(slot->prepare(static_cast<int>(n)));
    for (const SampleSlot* slot : pointers)
      args.max_logprobs = std::max(args.max_logprobs, slot->num_logprobs);
    const size_t columns = static_cast<size_t>(args.max_logprobs);
    std::vector<TokenId> ids(n), top_ids(n * columns);
    std::vector<uint8_t> bad(n);
    std::vector<float> logprobs(n), top_logprobs(n * columns);
    args.logits = logits.data();
    args.num_rows = static_cast<int>(n);
    args.vocab_size = static_cast<int>(rows.front().size());
    args.num_valid_tokens = num_valid_tokens;
    args.slots = pointers.data();
    args.ids = ids.data();
    args.bad_numbers = bad.data();
    args.logprobs = logprobs.data();
    args.top_ids = top_ids.data();
    args.top_logprobs = top_logprobs.data();
    backend_->sample(args);
    std::vector<SampleResult> results(n);
    for (size_t i = 0; i < n; ++i) {
      results[i] = {.id = ids[i],
                    .bad_numbers = bad[i] != 0,
                    .logprob = logprobs[i],
                    .top_ids = {},
                    .top_logprobs = {}};
      const size_t k = static_cast<size_t>(std::max(pointers[i]->num_logprobs, 0));
      for (size_t j = 0; j < k; ++j) {
        results[i].top_ids.push_back(top_ids[i * columns + j]);
        results[i].top_logprobs.push_back(top_logprobs[i * columns + j]);
      }
    }
    return results;
  }

  // One row of one slot, all ids with a token.
  SampleResult sample(SlotMemory& slot, const std::vector<float>& row) {
    return sample({&slot}, {row}, static_cast<int>(row.size())).front();
  }
  // The ids of `steps` draws from the same logits.
  std::vector<TokenId> draw(SlotMemory& slot, const std::vector<float>& row, int steps) {
    std::vector<TokenId> ids;
    for (int i = 0; i < steps; ++i) ids.push_back(sample(slot, row).id);
    return ids;
  }

 private:
  std::unique_ptr<Backend> backend_ = make_cpu_backend(2);
};

inline SlotMemory make_slot(const SamplingParams& params, const std::vector<Trigger>& triggers = {},
                            const std::vector<TokenId>& output = {}) {
  SlotMemory slot;
  slot.reset(params, triggers, output);
  return slot;
}

}  // namespace glint
