#include "bench/flash_config.h"

namespace glint {

ModelConfig flash_config() {
  return {.hidden_size = 2048,
          .intermediate_size = 10240,
          .moe_intermediate_size = 1536,
          .num_hidden_layers = 47,
          .num_nextn_predict_layers = 1,
          .num_attention_heads = 20,
          .q_lora_rank = 768,
          .kv_lora_rank = 512,
          .qk_nope_head_dim = 192,
          .qk_rope_head_dim = 64,
          .v_head_dim = 256,
          .n_routed_experts = 64,
          .n_shared_experts = 1,
          .num_experts_per_tok = 4,
          .routed_scaling_factor = 1.8f,
          .max_position_embeddings = 202752,
          .vocab_size = 154880,
          .dtype = "bfloat16"};
}

}  // namespace glint
