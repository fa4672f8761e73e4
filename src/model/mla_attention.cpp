#include "model/mla_attention.h"

#include <cmath>

namespace glint {

void project_attention(Backend& backend, const ModelConfig& config, const AttentionWeights& weights,
                       const StepInputs& inputs, RowBlock rows, Matrix x, KvPages kv,
                       Activations& activations) {
  const Rotation rotation{rows.of(activations.cos_sin), config.rope_interleave};
  const Matrix qkv_a = activations.qkv_a.first_rows(rows.count);
  const Matrix c_q = activations.c_q.first_rows(rows.count);
  const Matrix q = rows.of(activations.q);

  backend.linear(x, weights.qkv_a, qkv_a);
  backend.split_qkv_a(rows.of(inputs.step), qkv_a,
                      {weights.q_a_layernorm, weights.kv_a_layernorm, config.rms_norm_eps},
                      rotation, c_q, kv);
  if (inputs.expanded_rows.size > 0) return backend.linear(c_q, weights.q_b, q);
  backend.mla_query(c_q, weights.q_b, weights.w_uk, rotation, inputs.absorbed_rows, q,
                    activations.q_row.first_rows(rows.count));
}

void attend(Backend& backend, const ModelConfig& config, const AttentionWeights& weights,
            const StepInputs& inputs, KvPages kv, Activations& activations) {
  const StepView& step = inputs.step;
  const int tokens = step.num_tokens, heads = config.num_attention_heads;
  const Rotation rotation{activations.cos_sin.first_rows(tokens), config.rope_interleave};
  const Matrix q = activations.q.first_rows(tokens), o = activations.o.first_rows(tokens);
  const auto scale = static_cast<float>(1 / std::sqrt(static_cast<double>(config.qk_head_dim())));

  if (inputs.absorbed_rows.size > 0) {
    const Matrix q_row = activations.q_row.first_rows(tokens);
    const Matrix o_latent = activations.o_latent.first_rows(tokens);
    if (inputs.expanded_rows.size > 0)
      backend.mla_absorb_query(q, weights.w_uk, rotation, inputs.absorbed_rows, q_row);
    backend.mla_attend_output(step, q_row, weights.w_uv, kv, scale, inputs.absorbed_rows, o_latent,
                              o);
  }
  if (inputs.expanded_rows.size > 0) {
    backend.rope_query(q, heads, rotation, inputs.expanded_rows);
    backend.mla_attend_expanded(step, q, weights.w_uk, weights.w_uv, kv, scale,
                                inputs.expanded_rows, o);
  }
}

}  // namespace glint
