#pragma once

// How long a step of the model takes on a GPU, as far as the scheduler has to know: by the bytes of
// its weights and the operations of its rows, at rates that were measured.

#include <string_view>

#include "model/config.h"

namespace glint {

// Microseconds of a step: base + for each sequence per_token * extend_len +
// per_context_token * extend_len * (cached_len + extend_len / 2).
struct StepCost {
  double base_us = 0;
  double per_token_us = 0;
  double per_context_token_us = 0;
};

// Of BF16 weights on this GPU, as its driver names it; one whose rates were not measured counts as
// an H100. The base is that of a step whose rows choose all experts.
StepCost gpu_step_cost(const ModelConfig& config, std::string_view gpu_name);

}  // namespace glint
