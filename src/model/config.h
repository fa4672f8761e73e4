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

// Every size has a range (config.cpp), so that no product of them overflows int64_t.
struct ModelConfig {
  int hidden_size = 0;
  int intermediate_size = 0;      // of the dense MLP in the first layers
  int moe_intermediate_size = 0;  // of one expert
  int num_hidden_layers = 0;
  int first_k_dense_replace = 1;     // how many layers at the start are dense
  int num_nextn_predict_layers = 0;  // MTP layers in the files, 0 or 1: layer num_hidden_layers
  int num_attention_heads = 0;
  int q_lora_rank = 0;
  int kv_lora_rank = 0;
  int qk_nope_head_dim = 0;
  int qk_rope_head_dim = 0;  // even: the rotation turns pairs
  int v_head_dim = 0;
  int n_routed_experts = 0;
  int n_shared_experts = 0;  // side by side in one MLP of this many times moe_intermediate_size
  int num_experts_per_tok = 0;
  bool norm_topk_prob = true;
  float routed_scaling_factor = 1.0f;
  float rms_norm_eps = 1e-5f;
  double rope_theta = 1e6;
  bool rope_interleave = true;
  int max_position_embeddings = 0;
  int vocab_size = 0;
  bool tie_word_embeddings = false;
  std::vector<TokenId> eos_token_id{};
  std::optional<TokenId> pad_token_id{};
  std::string dtype;  // "bfloat16", "float16" or "float32": of the checkpoint

  int qk_head_dim() const { return qk_nope_head_dim + qk_rope_head_dim; }  // the scale's root
  int kv_row() const { return kv_lora_rank + qk_rope_head_dim; }  // numbers per cached token, layer
  int num_experts() const { return n_routed_experts + n_shared_experts; }
  int experts_per_row() const { return num_experts_per_tok + n_shared_experts; }
  bool is_moe_layer(int layer) const { return layer >= first_k_dense_replace; }
};

struct GenerationConfig {
  std::vector<TokenId> eos_token_id;
  std::optional<float> temperature, top_p, min_p, repetition_penalty;
  std::optional<int> top_k;
};

// The Error (kStartup) names file, key, found, expected. Refused, because computing it otherwise
// would be silently wrong: another architecture, a quantized checkpoint, and every setting that
// changes the arithmetic and that GLM-4.7-Flash does not use (q_lora_rank null, expert groups, rope
// scaling, attention biases, another activation or router).
Result<ModelConfig> load_config(const std::filesystem::path& config_json);
// `name` stands for the file in errors.
Result<ModelConfig> parse_config(std::string_view json_text, std::string_view name);
// The released checkpoint's: for shapes and sums where its files are not.
ModelConfig glm_4_7_flash_config();

// A missing file is an empty GenerationConfig.
Result<GenerationConfig> load_generation_config(
    const std::filesystem::path& generation_config_json);
Result<GenerationConfig> parse_generation_config(std::string_view json_text, std::string_view name);

}  // namespace glint
