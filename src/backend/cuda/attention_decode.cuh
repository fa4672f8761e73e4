#pragma once

// Absorbed attention at the model's sizes in BF16 on tensor cores: docs/kernels/attention.md.

#include "backend/cuda/attention_decode_plan.cuh"

namespace glint::cuda {

// Rows of 512 + 64 numbers in pages of 64, at most 32 heads; queries that begin at multiples of 16
// bytes.
// Whether plan_attend_decode() is for such a cache, and attend_decode() for all of these.
bool is_for_attend_decode(const KvPages& kv);
bool is_for_attend_decode(const Matrix& q_row, int num_heads, const KvPages& kv,
                          const Matrix& o_latent);

struct DecodeInputs {
  StepView step;
  Matrix q_row;
  int num_heads = 0;
  KvPages kv;
  float scale = 1;
  RowList rows;
};

// plan_attend. Scratch: 52 bytes a row, and 100 KB.
void plan_attend_decode(cudaStream_t stream, int num_sms, Scratch& plan, bool sealed,
                        const StepView& step, RowList rows, const KvPages& kv);

struct DecodeScratch {
  Scratch& plan;   // as plan_attend_decode() left it
  Scratch& parts;  // at most kMostDecodeParts of them
  bool sealed;
};

// mla_attend of at least one row, whose rows in several parts are left to be merged; those that are
// one item are in o_latent.
DecodeParts attend_in_parts(cudaStream_t stream, int num_sms, const DecodeScratch& scratch,
                            const DecodeInputs& inputs, const Matrix& o_latent);
// mla_attend.
void attend_decode(cudaStream_t stream, int num_sms, const DecodeScratch& scratch,
                   const DecodeInputs& inputs, const Matrix& o_latent);

}  // namespace glint::cuda
