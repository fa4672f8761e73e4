#pragma once

// The least time of a whole step: each of its ops as long as its bytes or its FLOPs take.

#include "bench/op_cost.h"
#include "bench/op_limits.h"

namespace glint {

// Milliseconds of a decode step of `rows` sequences that attend to `context` rows each, on a GPU of
// these limits. BF16; every row chooses its experts evenly at random.
double decode_limit_ms(const ModelConfig& config, const GpuLimits& limits, int rows, int context);

}  // namespace glint
