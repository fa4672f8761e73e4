#include "model/step_cost.h"

#include "model/gpu_table.h"
#include "model/memory_plan.h"

namespace glint {
namespace {

// docs/performance.md: of the memory's rate, what a step of 64 rows reaches with its weights; and
// FLOPs per microsecond in prompts of 8,192 rows on the table's first card.
constexpr double kShareOfMemoryRate = 0.8;
constexpr double kProductFlops = 446e6;
constexpr double kAttentionFlops = 750e6;

// Those of the first card for one that is not known.
GpuRates rates_of(std::string_view gpu_name) {
  const GpuInfo* gpu = gpu_of_driver_name(gpu_name);
  const GpuRates rates = gpu == nullptr ? GpuRates{} : best_rates(*gpu);
  return rates.bytes_per_s > 0 ? rates : best_rates(gpu_table().front());
}

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

StepCost gpu_step_cost(const ModelConfig& config, std::string_view gpu_name) {
  const double weights = static_cast<double>(weights_bytes(config, 2, /*with_mtp=*/false));
  const double heads = config.num_attention_heads;
  const double per_pair =
      2 * heads * (config.qk_head_dim() + config.v_head_dim) * config.num_hidden_layers;
  const GpuRates rates = rates_of(gpu_name);
  const double faster = rates.flops_per_s / best_rates(gpu_table().front()).flops_per_s;
  return {.base_us = 1e6 * weights / (kShareOfMemoryRate * rates.bytes_per_s),
          .per_token_us = 2 * active_parameters(config) / (kProductFlops * faster),
          .per_context_token_us = per_pair / (kAttentionFlops * faster)};
}

}  // namespace glint
