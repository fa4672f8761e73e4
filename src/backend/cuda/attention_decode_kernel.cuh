#pragma once

// The kernel that attends the items of a decode plan.

#include "backend/cuda/attention_decode.cuh"
#include "backend/cuda/attention_decode_plan.cuh"

namespace glint::cuda {

using Bf16 = __nv_bfloat16;

struct DecodeArgs {
  DecodeWork work;
  int num_heads;
  float scale_log2;  // scores in powers of two
  float* sums;       // as in DecodeParts
  PartStats* stats;  // [part, num_heads]
  Rows<Bf16> out;    // of rows with one item
};

// Each item of the plan to its part, or to `out`.
void attend_items(cudaStream_t stream, int num_sms, const DecodeInputs& inputs,
                  const DecodeArgs& args);

}  // namespace glint::cuda
