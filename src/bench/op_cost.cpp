#include "bench/op_cost.h"

#include <cmath>

namespace glint {
namespace {

constexpr double kBf16 = 2, kF32 = 4;

}  // namespace

double expected_experts_hit(int rows, int experts, int experts_per_row) {
  const double missed = 1 - static_cast<double>(experts_per_row) / experts;
  return experts * (1 - std::pow(missed, rows));
}

OpCost linear_cost(int rows, int in, int out, int bytes_per_output) {
  const double r = rows, weights = double{1} * in * out;
  return {.bytes = kBf16 * (weights + r * in) + bytes_per_output * r * out,
          .flops = 2 * r * weights};
}

OpCost swiglu_cost(int rows, int in, int width) {
  const double r = rows, weights = 2.0 * in * width;
  return {.bytes = kBf16 * (weights + r * in + r * width), .flops = 2 * r * weights};
}

OpCost row_cost(int rows, int in, int out) {
  return {.bytes = kBf16 * rows * (double{1} * in + out), .flops = 0};
}

OpCost rope_table_cost(const ModelConfig& config, const StepSize& size) {
  return {.bytes = kF32 * size.rows * (1.0 + config.qk_rope_head_dim), .flops = 0};
}

OpCost rope_query_cost(const ModelConfig& config, const StepSize& size) {
  const double rope = config.qk_rope_head_dim;
  const double query = 2 * kBf16 * config.num_attention_heads * rope;
  return {.bytes = size.rows * (query + kF32 * rope), .flops = 0};
}

OpCost split_qkv_a_cost(const ModelConfig& config, const StepSize& size) {
  const double numbers = config.q_lora_rank + config.kv_row();
  return {.bytes = size.rows * (2 * kBf16 * numbers + kF32 * config.qk_rope_head_dim) +
                   kBf16 * (config.q_lora_rank + config.kv_lora_rank),
          .flops = 0};
}

OpCost absorb_query_cost(const ModelConfig& config, const StepSize& size) {
  const double r = size.rows, heads = config.num_attention_heads;
  const double weights = heads * config.kv_lora_rank * config.qk_nope_head_dim;
  return {.bytes = kBf16 * (weights + r * heads * (config.qk_head_dim() + config.kv_row())),
          .flops = 2 * r * weights};
}

// Without q, which need not reach memory.
OpCost query_cost(const ModelConfig& config, const StepSize& size) {
  const double r = size.rows, heads = config.num_attention_heads, rank = config.q_lora_rank;
  const double weights = heads * (config.qk_head_dim() * rank +
                                  double{1} * config.kv_lora_rank * config.qk_nope_head_dim);
  return {.bytes = kBf16 * (weights + r * (rank + heads * config.kv_row())),
          .flops = 2 * r * weights};
}

OpCost attend_cost(const ModelConfig& config, const StepSize& size) {
  const double heads = config.num_attention_heads;
  const double numbers = config.kv_row() + config.kv_lora_rank;  // of a head's query and output
  return {.bytes = kBf16 * (size.kv_rows() * config.kv_row() + size.rows * heads * numbers),
          .flops = 2 * size.attended() * heads * numbers};
}

OpCost expand_output_cost(const ModelConfig& config, const StepSize& size) {
  const double r = size.rows, heads = config.num_attention_heads;
  const double weights = heads * config.kv_lora_rank * config.v_head_dim;
  return {.bytes = kBf16 * (weights + r * heads * (config.kv_lora_rank + config.v_head_dim)),
          .flops = 2 * r * weights};
}

// Without o_latent, which need not reach memory.
OpCost attend_output_cost(const ModelConfig& config, const StepSize& size) {
  const double r = size.rows, heads = config.num_attention_heads;
  const double weights = heads * config.kv_lora_rank * config.v_head_dim;
  const double numbers = config.kv_row() + config.v_head_dim;  // of a head's query and output
  return {.bytes = kBf16 * (size.kv_rows() * config.kv_row() + weights + r * heads * numbers),
          .flops = attend_cost(config, size).flops + 2 * r * weights};
}

OpCost attend_expanded_cost(const ModelConfig& config, const StepSize& size) {
  const double heads = config.num_attention_heads;
  const double numbers = config.qk_head_dim() + config.v_head_dim;
  const double weights =
      heads * config.kv_lora_rank * (config.qk_nope_head_dim + config.v_head_dim);
  return {
      .bytes = kBf16 * (size.kv_rows() * config.kv_row() + weights + size.rows * heads * numbers),
      .flops = 2 * size.attended() * heads * numbers + 2 * size.kv_rows() * weights};
}

OpCost route_cost(const ModelConfig& config, const StepSize& size) {
  const double r = size.rows, experts = config.n_routed_experts;
  const double weights = experts * config.hidden_size;
  const double choices = config.experts_per_row() * (kF32 + kF32);  // ids and weights
  return {.bytes = kBf16 * weights + kF32 * experts + r * (kBf16 * config.hidden_size + choices),
          .flops = 2 * r * weights};
}

OpCost moe_gate_up_cost(const ModelConfig& config, const StepSize& size) {
  const double r = size.rows, chosen = config.experts_per_row();
  const double hidden = config.hidden_size, width = config.moe_intermediate_size;
  const double expert = 2 * width * hidden;
  return {.bytes = kBf16 * (size.experts_hit * expert + r * (hidden + chosen * width)),
          .flops = 2 * r * chosen * expert};
}

OpCost moe_down_cost(const ModelConfig& config, const StepSize& size) {
  const double r = size.rows, hidden = config.hidden_size, chosen = config.experts_per_row();
  const double width = config.moe_intermediate_size, expert = hidden * width;
  return {.bytes = kBf16 * (size.experts_hit * expert + r * chosen * (width + hidden)),
          .flops = 2 * r * chosen * expert};
}

OpCost moe_combine_cost(const ModelConfig& config, const StepSize& size) {
  const double numbers = size.rows * config.hidden_size * (config.experts_per_row() + 1);
  return {.bytes = kBf16 * numbers, .flops = 0};
}

// The parts, the residual both ways, and the norm of the sum.
OpCost moe_combine_add_rms_norm_cost(const ModelConfig& config, const StepSize& size) {
  const double numbers = size.rows * config.hidden_size * (config.experts_per_row() + 3);
  return {.bytes = kBf16 * numbers, .flops = 0};
}

OpCost sample_cost(const ModelConfig& config, const StepSize& size) {
  return {.bytes = kF32 * size.rows * config.vocab_size, .flops = 0};
}

}  // namespace glint
