#pragma once

// The one interface through which the engine talks to a model. The real model, the simulation's
// fake and the null model implement it.
//
// Run-ahead: the engine submits step n+1 before it collects step n. So the ids sampled in step n
// stay with the runner, which feeds them to step n+1 where the batch says kSampledLastStep.

#include <cstdint>
#include <memory>
#include <vector>

#include "base/token_id.h"
#include "engine/event.h"
#include "model/batch.h"
#include "sampling/params.h"
#include "sampling/trigger.h"

namespace glint {

// Sampling state kept beside the runner for one running sequence, under a slot number. (Re)set when
// a sequence starts, or resumes after a retraction: then `output` holds what it had generated.
struct SlotState {
  int slot = 0;
  SamplingParams params;
  std::vector<Trigger> triggers;
  int num_prompt_tokens = 0;
  std::vector<TokenId> output;
};

struct StepInput {
  Batch batch;
  std::vector<SlotState> new_slots;  // applied before the step
};

// One per sequence of the batch with num_logit_rows > 0, in the batch's order.
struct SampledTokens {
  std::vector<OutputToken> tokens;  // num_logit_rows of them
  bool bad_numbers = false;         // a logit of this sequence was NaN or infinite
};

struct StepOutput {
  std::vector<SampledTokens> sampled;
};

using Ticket = uint64_t;

class ModelRunner {
 public:
  virtual ~ModelRunner() = default;
  // Starts the step; returns before it is done where the runner can. Steps run in order.
  virtual Ticket submit(StepInput input) = 0;
  // Waits for the step. Tickets are collected in order, each once.
  virtual StepOutput collect(Ticket ticket) = 0;
};

}  // namespace glint
