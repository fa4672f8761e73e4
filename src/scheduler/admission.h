#pragma once

#include "base/result.h"
#include "scheduler/limits.h"

namespace glint {

// The number of output tokens that a request may get: max_tokens, or, if that is negative (unset),
// as many as the context and the page pool leave. The Error, kInvalidRequest, shows the sum that
// can never fit.
Result<int> admitted_max_tokens(const SchedulerLimits& limits, int num_prompt_tokens,
                                int max_tokens);

// The longest prompt that admitted_max_tokens() takes.
int max_prompt_tokens(const SchedulerLimits& limits);

}  // namespace glint
