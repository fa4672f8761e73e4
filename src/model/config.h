#pragma once

// config.json and generation_config.json of a Glm4MoeLiteForCausalLM checkpoint. The fields keep
// their names. Absent keys take the values of transformers' Glm4MoeLiteConfig.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/token_id.h"

namespace glint {

struct ModelConfig {
  int hidden_size = 0;
  int intermediate_size = 0;      // of the dense MLP in the first layers
  int moe_intermediate_size = 0;  // of one expert
  int num_hidden_layers = 0;
  int first_k_dense_replace = 1;  // how many layers at the start are dense
  int num_nextn_predict_layers = 0;
  int num_attention_heads = 0;
  int q_lora_rank = 0;
  int kv_lora_rank = 0;
  int qk_nope_head_dim = 0;
  int qk_rope_head_dim = 0;
  int v_head_dim = 0;
  int n_routed_experts = 0;
  int n_shared_experts = 0;
  int num_experts_per_tok = 0;
  bool norm_topk_prob = true;
  float routed_scaling_factor = 1.0f;
  float rms_norm_eps = 1e-5f;
  double rope_theta = 1e6;
  bool rope_interleave = true;
  int max_position_embeddings = 0;
  int vocab_size = 0;
  bool tie_word_embeddings = false;
  std::vector<TokenId> eos_token_id;
  std::optional<TokenId> pad_token_id;
  std::string dtype;  // "bfloat16", "float16" or "float32": of the checkpoint

  int qk_head_dim() const { return qk_nope_head_dim + qk_rope_head_dim; }  // the scale's root
  int kv_row() const { return kv_lora_rank + qk_rope_head_dim; }           // numbers per cached token and layer
  bool is_moe_layer(int layer) const { return layer >= first_k_dense_replace; }
};

struct GenerationConfig {
  std::vector<TokenId> eos_token_id;
  std::optional<float> temperature, top_p, min_p, repetition_penalty;
  std::optional<int> top_k;
};

// The Error names file, key, found, expected. kStartup.
Result<ModelConfig> load_config(const std::filesystem::path& config_json);
Result<ModelConfig> parse_config(std::string_view json_text, std::string_view name);
// A missing file is an empty GenerationConfig.
Result<GenerationConfig> load_generation_config(const std::filesystem::path& generation_config_json);

}  // namespace glint
