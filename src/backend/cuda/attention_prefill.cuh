#pragma once

// The expanded form of MLA at the model's sizes in BF16 on tensor cores: docs/kernels/attention.md.

#include "backend/cuda/gemm.h"
#include "backend/cuda/kernel.cuh"

namespace glint::cuda {

struct PrefillInputs {
  StepView step;
  Matrix q;
  MatrixStack w_uk, w_uv;
  KvPages kv;
  float scale = 1;
  Matrix o;

  int num_heads() const { return w_uk.count; }
};

// Heads of 192 + 64 numbers, values of 256, rows of 512 + 64, at most 32 heads.
bool is_for_attend_prefill(const PrefillInputs& inputs);

struct PrefillMemory {
  Scratch& keys_values;
  Scratch& states;  // of rows whose contexts are longer than block_rows
  bool sealed = false;
  int block_rows = 0;  // of contexts whose keys and values exist at once: no effect on the bits
};

// mla_attend_expanded of all rows of inputs.step.prompts.
void attend_prefill(cudaStream_t stream, int num_sms, TensorMaps& maps, const PrefillMemory& memory,
                    const PrefillInputs& inputs);

}  // namespace glint::cuda
