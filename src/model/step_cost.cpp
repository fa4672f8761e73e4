#include "model/step_cost.h"

#include "model/memory_plan.h"

namespace glint {
namespace {

// One H100, docs/performance.md: 64 rows of 59.9 GB in 24.6 ms, prompts of 8,192 rows in 183 ms, of
// which their attention is 43. Per microsecond.
constexpr double kWeightBytes = 2.55e6;
constexpr double kProductFlops = 446e6;
constexpr double kAttentionFlops = 750e6;

// Multiply-adds of a row in all layers, the head aside.
double active_parameters(const ModelConfig& c) {
  const double hidden = c.hidden_size, heads = c.num_attention_heads;
  const double attention =
      hidden * (c.q_lora_rank + c.kv_row()) + heads * c.q_lora_rank * c.qk_head_dim() +
      heads * c.kv_lora_rank * (c.qk_nope_head_dim + c.v_head_dim) + hidden * heads * c.v_head_dim;
  const double experts = c.experts_per_row();
  double sum = 0;
  for (int layer = 0; layer < c.num_hidden_layers; ++layer) {
    const double width = c.is_moe_layer(layer) ? experts * c.moe_intermediate_size
                                               : static_cast<double>(c.intermediate_size);
    sum += attention + 3 * hidden * width;
  }
  return sum;
}

}  // namespace

StepCost gpu_step_cost(const ModelConfig& config) {
  const double heads = config.num_attention_heads;
  const double per_pair =
      2 * heads * (config.qk_head_dim() + config.v_head_dim) * config.num_hidden_layers;
  return {
      .base_us = static_cast<double>(weights_bytes(config, 2, /*with_mtp=*/false)) / kWeightBytes,
      .per_token_us = 2 * active_parameters(config) / kProductFlops,
      .per_context_token_us = per_pair / kAttentionFlops};
}

}  // namespace glint
