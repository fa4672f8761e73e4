// The shapes of tests/support/tiny_checkpoint.h.

#include <algorithm>

#include "tests/support/tiny_checkpoint.h"

namespace glint {
namespace {

ModelConfig with_tokens(ModelConfig config) {
  config.eos_token_id = {tiny_token_id("<|endoftext|>"), tiny_token_id("<|user|>"),
                         tiny_token_id("<|observation|>")};
  config.pad_token_id = tiny_token_id("<|endoftext|>");
  return config;
}

ModelConfig tiny() {
  return {.hidden_size = 64,
          .intermediate_size = 160,
          .moe_intermediate_size = 48,
          .num_hidden_layers = 3,
          .num_attention_heads = 4,
          .q_lora_rank = 48,
          .kv_lora_rank = 32,
          .qk_nope_head_dim = 24,
          .qk_rope_head_dim = 16,
          .v_head_dim = 32,
          .n_routed_experts = 8,
          .n_shared_experts = 1,
          .num_experts_per_tok = 2,
          .routed_scaling_factor = 1.8f,
          .max_position_embeddings = 8192,
          .vocab_size = 320,
          .dtype = "bfloat16"};
}

// No width is a multiple of another, the shared MLP is two experts wide, two layers are dense.
ModelConfig tiny_deep() {
  ModelConfig config = tiny();
  config.hidden_size = 88;
  config.intermediate_size = 200;
  config.moe_intermediate_size = 36;
  config.num_hidden_layers = 7;
  config.first_k_dense_replace = 2;
  config.num_attention_heads = 5;
  config.q_lora_rank = 52;
  config.kv_lora_rank = 40;
  config.qk_nope_head_dim = 20;
  config.qk_rope_head_dim = 12;
  config.v_head_dim = 28;
  config.n_routed_experts = 16;
  config.n_shared_experts = 2;
  config.num_experts_per_tok = 4;
  config.routed_scaling_factor = 2.5f;
  config.vocab_size = 336;
  return config;
}

ModelConfig mla_widths() {
  ModelConfig config = tiny();
  config.hidden_size = 128;
  config.intermediate_size = 256;
  config.moe_intermediate_size = 64;
  config.num_attention_heads = 2;
  config.q_lora_rank = 64;
  config.kv_lora_rank = 512;
  config.qk_nope_head_dim = 192;
  config.qk_rope_head_dim = 64;
  config.v_head_dim = 256;
  config.num_experts_per_tok = 4;
  return config;
}

ModelConfig ten_million() {
  ModelConfig config = mla_widths();
  config.hidden_size = 256;
  config.intermediate_size = 1024;
  config.moe_intermediate_size = 128;
  config.num_hidden_layers = 4;
  config.num_attention_heads = 4;
  config.q_lora_rank = 128;
  config.n_routed_experts = 10;
  config.max_position_embeddings = 32768;
  return config;
}

}  // namespace

const std::vector<TinyShape>& tiny_shapes() {
  static const std::vector<TinyShape> shapes = {
      {"tiny", "3 layers, 4 heads, 8 experts", with_tokens(tiny())},
      {"tiny_deep", "7 layers, 2 of them dense, widths with no common factor",
       with_tokens(tiny_deep())},
      {"mla_widths", "3 layers with the released model's attention widths",
       with_tokens(mla_widths())},
      {"ten_million", "10 million parameters, attention widths as released",
       with_tokens(ten_million())},
  };
  return shapes;
}

ModelConfig tiny_config(std::string_view name) {
  const auto found = std::find_if(tiny_shapes().begin(), tiny_shapes().end(),
                                  [&](const TinyShape& shape) { return shape.name == name; });
  CHECK(found != tiny_shapes().end(), "there is no tiny shape ", name);
  return found->config;
}

}  // namespace glint
