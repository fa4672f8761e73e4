#pragma once

#include "model/batch.h"
#include "scheduler/scheduler.h"

namespace glint {

// The plan that `scheduler` just made, as the model reads it: ids, positions, page tables. Ids that
// are still being sampled become kSampledLastStep.
Batch build_batch(const Scheduler& scheduler, const Plan& plan);

}  // namespace glint
