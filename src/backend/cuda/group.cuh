#pragma once

// The rows of each expert from the experts of each row.

#include "backend/backend.h"
#include "backend/cuda/kernel.cuh"

namespace glint::cuda {

// Fills routing.expert_begin and expert_pairs from expert_ids.
void group_by_expert(cudaStream_t stream, const Routing& routing, int num_experts);

}  // namespace glint::cuda
