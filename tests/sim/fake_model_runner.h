#pragma once

// A model whose every mistake shows: its KV rows hold token ids, and the next token is a hash of
// the context that it reads back through the batch's page table. A stale page, a wrong cached_len,
// a row overwritten by another sequence: each changes the tokens that come out.
//
// A context with kPoison in it gives NaN logits.

#include <cstdint>
#include <deque>
#include <functional>
#include <random>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/model_runner.h"
#include "scheduler/limits.h"

namespace glint::sim {

inline constexpr int kVocabSize = 40;
inline constexpr TokenId kPoison = kVocabSize - 1;

// What follows `context` as the sequence's output number `position`.
TokenId next_token(std::span<const TokenId> context, const SamplingParams& params, int position);

class FakeModelRunner final : public ModelRunner {
 public:
  using Report = std::function<void(const std::string& violation)>;

  // Runs each step at its submission or as late as its collection, as `seed` has it.
  FakeModelRunner(const SchedulerLimits& limits, uint64_t seed, Report report);

  Ticket submit(StepInput input) override;
  StepOutput collect(Ticket ticket) override;

  // The id in a row; kNeverWritten at first.
  static constexpr TokenId kNeverWritten = -2;
  TokenId row(int32_t page, int offset) const;
  // How many of the slot's first `cached_len` rows were computed already.
  int computed_rows(int slot, int cached_len) const;

 private:
  struct Slot {
    bool in_use = false;
    SamplingParams params;
    int num_prompt_tokens = 0;
    int num_output = 0;
    TokenId last_sampled = kSampledLastStep;
  };

  void run_waiting();
  StepOutput run(const StepInput& input);
  void check_size(const Batch& batch) const;
  bool check_sequence(const Batch& batch, const BatchSequence& sequence);
  void write_rows(const Batch& batch, const BatchSequence& sequence);
  SampledTokens sample(const Batch& batch, const BatchSequence& sequence);
  size_t row_index(const Batch& batch, const BatchSequence& sequence, int position) const;

  const int num_pages_;
  const int page_size_;
  const int max_step_tokens_;
  const int max_mixed_tokens_;
  Report report_;
  std::mt19937_64 rng_;
  std::vector<TokenId> rows_;      // [num_pages * page_size]
  std::vector<uint64_t> written_;  // [num_pages * page_size], the step that last wrote the row
  std::vector<Slot> slots_;
  std::deque<StepInput> waiting_;
  std::deque<StepOutput> done_;
  Ticket last_submitted_ = 0;
  Ticket last_collected_ = 0;
  uint64_t num_run_ = 0;
};

}  // namespace glint::sim
