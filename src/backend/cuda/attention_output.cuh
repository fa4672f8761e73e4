#pragma once

// What decode attention gives the layer, from the parts of its rows on, in one kernel.

#include "backend/cuda/attention_decode_plan.cuh"
#include "backend/cuda/gemm.h"

namespace glint::cuda {

struct OutputInputs {
  DecodeParts parts;  // of num_rows rows
  int num_rows;
  Matrix o_latent;   // [T, H * 512]: the rows that have no parts
  MatrixStack w_uv;  // [H, 256, 512]
};

// Whether output_of_parts() takes them, in BF16: 1 to 16 rows, as four blocks read all of a head's
// parts.
bool is_for_output_of_parts(const Matrix& o_latent, const MatrixStack& w_uv, int num_rows,
                            const Matrix& o);

// o [T, H * 256] of the plan's rows, with the bits of merged rows in o_latent and
// mla_expand_output().
void output_of_parts(cudaStream_t stream, TensorMaps& maps, const OutputInputs& inputs,
                     const Matrix& o);

}  // namespace glint::cuda
