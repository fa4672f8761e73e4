#include "model/mla_attention.h"

#include <cmath>

namespace glint {

void mla_attention(Backend& backend, const ModelConfig& config, const AttentionWeights& weights,
                   const StepInputs& inputs, Matrix x, KvPages kv, Activations& activations,
                   Matrix out) {
  const StepView& step = inputs.step;
  const int tokens = step.num_tokens, heads = config.num_attention_heads;
  const Matrix cos_sin = activations.cos_sin.first_rows(tokens);
  const Matrix qkv_a = activations.qkv_a.first_rows(tokens);
  const Matrix c_q = activations.c_q.first_rows(tokens);
  const Matrix q = activations.q.first_rows(tokens);
  const Matrix o = activations.o.first_rows(tokens);
  const auto scale = static_cast<float>(1 / std::sqrt(static_cast<double>(config.qk_head_dim())));

  backend.linear(x, weights.qkv_a, qkv_a);
  backend.rms_norm(qkv_a.columns(0, config.q_lora_rank), weights.q_a_layernorm, config.rms_norm_eps,
                   c_q);
  backend.linear(c_q, weights.q_b, q);
  backend.rope_query(q, heads, cos_sin, config.rope_interleave);
  backend.write_kv(step, qkv_a.columns(config.q_lora_rank, config.kv_row()), weights.kv_a_layernorm,
                   config.rms_norm_eps, cos_sin, config.rope_interleave, kv);

  if (inputs.absorbed_rows.size > 0) {
    const Matrix q_row = activations.q_row.first_rows(tokens);
    const Matrix o_latent = activations.o_latent.first_rows(tokens);
    backend.mla_absorb_query(q, weights.w_uk, inputs.absorbed_rows, q_row);
    backend.mla_attend(step, q_row, heads, kv, scale, inputs.absorbed_rows, o_latent);
    backend.mla_expand_output(o_latent, weights.w_uv, inputs.absorbed_rows, o);
  }
  if (inputs.expanded_rows.size > 0) {
    backend.mla_attend_expanded(step, q, weights.w_uk, weights.w_uv, kv, scale,
                                inputs.expanded_rows, o);
  }
  backend.linear(o, weights.o_proj, out);
}

}  // namespace glint
