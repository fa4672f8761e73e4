#pragma once

// Multi-head latent attention (MLA) of one decoder layer, in two halves: what each row makes for
// itself, and what it reads of others.
//
// The KV cache keeps one row per token and layer, shared by all heads: the normed latent and the
// rotated key part, kv_row = kv_lora_rank + qk_rope_head_dim numbers.
//
//   c_q          = rms_norm(x W_dq)          [T, q_lora_rank]
//   q_nope, q_pe = split(c_q W_uq)           [T, H, qk_nope_head_dim], [T, H, qk_rope_head_dim]
//   c_kv, k_pe   = split(x W_dkv)            [T, kv_lora_rank],        [T, qk_rope_head_dim]
//   row          = rms_norm(c_kv) | rope(k_pe)
//   q_row        = q_nope W_uk | rope(q_pe)  [T, H, kv_row]            W_uk absorbed into q
//   o            = softmax(q_row . row^T / sqrt(qk_head_dim)) row[:kv_lora_rank]
//   out          = (o W_uv) W_o              [T, hidden_size]
//
// Source: DeepSeek-V2, arXiv:2405.04434, section 2.1; transformers, modeling_glm4_moe_lite.py.

#include "backend/backend.h"
#include "model/activations.h"
#include "model/config.h"
#include "model/weights.h"

namespace glint {

// Of the step's rows [rows.begin, + rows.count): writes their KV rows and activations.q, where no
// row of the step is expanded activations.q_row too. x [rows.count, hidden_size] is their normed
// input, not modified; activations.cos_sin holds the step's rope table.
void project_attention(Backend& backend, const ModelConfig& config, const AttentionWeights& weights,
                       const StepInputs& inputs, RowBlock rows, Matrix x, KvPages kv,
                       Activations& activations);

// Attends each row of the step to its own sequence, itself included, once the KV rows of all are
// there: activations.o.
void attend(Backend& backend, const ModelConfig& config, const AttentionWeights& weights,
            const StepInputs& inputs, KvPages kv, Activations& activations);

}  // namespace glint
