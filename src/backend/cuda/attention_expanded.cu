// The expanded form of MLA, general: by way of the absorbed form, which is the same function of the
// query and the latent rows. Query and attended latents stay in FP32 between the two, so the result
// is rounded once, as if keys and values had been made.

#include <algorithm>

#include "backend/cuda/attention.cuh"
#include "backend/cuda/cuda_backend.h"

namespace glint {
namespace {

constexpr int kRowsAtOnce = 256;  // bounds the scratch: 22 MB at the model's sizes

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
