#pragma once

// The query of decode rows, from q_a's normed output to the terms of a KV row, in one kernel.

#include "backend/backend.h"
#include "backend/cuda/gemm.h"

namespace glint::cuda {

struct QueryInputs {
  Matrix c_q;        // [T, q_lora_rank]
  Matrix w_q_b;      // [H * 256, q_lora_rank]
  MatrixStack w_uk;  // [H, 512, 192]
  Rotation rotation;
};

// Whether make_query() takes them: BF16 with a head of 192 + 64 numbers, a latent of 512, a
// q_lora_rank of at most 768 in 64s but not 512, and at most 256 rows.
bool is_for_make_query(const QueryInputs& inputs, const Matrix& q_row);

// q_row [T, H * 576], with the bits of a product with w_q_b and mla_absorb_query().
void make_query(cudaStream_t stream, TensorMaps& maps, const QueryInputs& inputs,
                const Matrix& q_row);

}  // namespace glint::cuda
