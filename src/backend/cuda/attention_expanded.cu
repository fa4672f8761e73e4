// The expanded form of MLA: which kernel it takes, and the general one, by way of the absorbed
// form, which is the same function of the query and the latent rows. Query and attended latents
// stay in FP32 between the two, so the result is rounded once, as if keys and values had been made.

#include <algorithm>

#include "backend/cuda/attention.cuh"
#include "backend/cuda/attention_prefill.cuh"
#include "backend/cuda/cuda_backend.h"

namespace glint {
namespace {

constexpr int kRowsAtOnce = 256;  // bounds the scratch: 22 MB at the model's sizes

// The fast path takes its rows from the host's list.
void check_prompts(const StepView& step, RowList rows) {
  int count = 0;
  for (int i = 0; i < step.prompts.size; ++i) count += step.prompts.data[i].num_rows;
  CHECK(count == rows.size, rows.size, " rows in expanded form, ", count, " in step.prompts");
}

}  // namespace

void CudaBackend::mla_attend_expanded(const StepView& step, Matrix q, MatrixStack w_uk,
                                      MatrixStack w_uv, KvPages kv, float scale, RowList rows,
                                      Matrix o) {
  const int num_heads = w_uk.count, latent = w_uk.rows, v_dim = w_uv.rows;
  const int head_dim = q.cols / num_heads;
  CHECK(o.cols == num_heads * v_dim && head_dim - w_uk.cols == kv.row_size - latent, "o of ",
        o.cols, ", heads of ", head_dim);
  CHECK(w_uv.count == num_heads && w_uv.cols == latent, "w_uv [", w_uv.count, ", ", w_uv.rows, ", ",
        w_uv.cols, "]");
  const cuda::PrefillInputs inputs{step, q, w_uk, w_uv, kv, scale, o};
  if (cuda::is_for_attend_prefill(inputs)) {
    check_prompts(step, rows);
    const cuda::PrefillMemory memory{prefill_scratch_, prefill_state_scratch_, sealed_,
                                     prefill_block_rows_};
    cuda::attend_prefill(stream_, num_sms_, tensor_maps_, memory, inputs);
    return;
  }
  const int at_once = std::min(rows.size, kRowsAtOnce);
  const int query_size = num_heads * kv.row_size, latents_size = num_heads * latent;
  float* scratch = attention_scratch_.at_least<float>(
      static_cast<size_t>(at_once) * static_cast<size_t>(query_size + latents_size), sealed_);
  float* latents = scratch + static_cast<int64_t>(at_once) * query_size;
  const Matrix q_row = contiguous(scratch, NumberType::kF32, at_once, query_size);
  const Matrix o_latent = contiguous(latents, NumberType::kF32, at_once, latents_size);
  for (int begin = 0; begin < rows.size; begin += at_once) {
    const RowList some{rows.data + begin, std::min(at_once, rows.size - begin)};
    const cuda::RowMap listed{some.data};
    cuda::multiply_heads(stream_, {q, head_dim, listed}, w_uk, {q_row, kv.row_size, {}}, some.size);
    cuda::attend_rows(stream_, step, {q_row, kv.row_size, {}}, num_heads, kv, scale, some,
                      {o_latent, latent, {}});
    cuda::multiply_heads(stream_, {o_latent, latent, {}}, w_uv, {o, v_dim, listed}, some.size);
  }
}

}  // namespace glint
