#pragma once

// The memory behind one SampleSlot (backend/sample.h), for a backend that samples in host memory.

#include <span>
#include <vector>

#include "backend/sample.h"
#include "sampling/params.h"
#include "sampling/trigger.h"

namespace glint {

class SlotMemory {
 public:
  // A sequence starts, or resumes after `output`: counts and triggers are as if each of its tokens
  // had been sampled here.
  void reset(const SamplingParams& params, const std::vector<Trigger>& triggers,
             std::span<const TokenId> output);

  // Room for `num_rows` more tokens. The slot is valid until the next call of either.
  SampleSlot* prepare(int num_rows);

 private:
  void set_params(const SamplingParams& params);
  void set_triggers(const std::vector<Trigger>& triggers);

  SampleSlot slot_;
  std::vector<SampleBias> biases_;
  std::vector<TokenId> stop_ids_;
  std::vector<SeenToken> seen_;
  std::vector<Trigger> trigger_lists_;  // own the ids that triggers_ points to
  std::vector<SampleTrigger> triggers_;
};

}  // namespace glint
