#pragma once

// The model's weights in a backend's memory, in the layout its ops take. One arena holds them all.
//
// Names in comments are the checkpoint's, below model.layers.N. Matrices are [out_features,
// in_features] of the compute type unless said otherwise.

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "backend/backend.h"
#include "base/result.h"
#include "model/config.h"
#include "model/weight_source.h"

namespace glint {

struct AttentionWeights {
  Matrix qkv_a;            // q_a_proj, then kv_a_proj_with_mqa  [q_lora_rank + kv_row, hidden_size]
  Matrix q_a_layernorm;    // [1, q_lora_rank]
  Matrix q_b;              // q_b_proj  [H * qk_head_dim, q_lora_rank]
  Matrix kv_a_layernorm;   // [1, kv_lora_rank]
  MatrixStack w_uk, w_uv;  // kv_b_proj, split by head: [H, kv_lora_rank, qk_nope_head_dim]
                           // (transposed) and [H, v_head_dim, kv_lora_rank]
  Matrix o_proj;           // [hidden_size, H * v_head_dim]
};

struct MlpWeights {
  Matrix gate_up;  // gate_proj, then up_proj  [2 I, hidden_size]
  Matrix down;     // down_proj  [hidden_size, I]
};

struct MoeWeights {
  Matrix gate;  // [n_routed_experts, hidden_size] FP32, or BF16 where that holds it
  Matrix bias;  // gate.e_score_correction_bias [1, n_routed_experts] FP32
  // The routed experts, then the shared ones: shared_experts, which is one MLP, is the sum of
  // n_shared_experts of the width I.
  MatrixStack gate_up;  // [n_routed_experts + n_shared_experts, 2 I, hidden_size]
  MatrixStack down;     // [n_routed_experts + n_shared_experts, hidden_size, I]
};

struct LayerWeights {
  Matrix input_layernorm;  // [1, hidden_size]
  AttentionWeights attention;
  Matrix post_attention_layernorm;  // [1, hidden_size]
  std::optional<MlpWeights> mlp;    // a dense layer's
  std::optional<MoeWeights> moe;    // or a sparse one's
};

struct MtpWeights {
  Matrix embed_tokens;      // its own, or the model's where the checkpoint has none
  Matrix enorm, hnorm;      // [1, hidden_size]
  Matrix eh_proj;           // [hidden_size, 2 hidden_size]
  LayerWeights layer;       // always sparse
  Matrix shared_head_norm;  // [1, hidden_size]
  Matrix shared_head;       // its own, or lm_head  [vocab_size, hidden_size]
};

struct ModelWeights {
  Buffer arena;
  Matrix embed_tokens;  // [vocab_size, hidden_size]
  std::vector<LayerWeights> layers;
  Matrix norm;     // [1, hidden_size]
  Matrix lm_head;  // [vocab_size, hidden_size]; embed_tokens if they are tied
  std::optional<MtpWeights> mtp;
};

// Fails only if the backend has no memory for them. `progress` gets bytes done and in all.
Result<ModelWeights> load_weights(Backend& backend, const ModelConfig& config,
                                  const WeightSource& source, NumberType compute, bool with_mtp,
                                  const std::function<void(int64_t, int64_t)>& progress);

}  // namespace glint
