#include "model/checkpoint_tensors.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <string_view>

namespace glint {
namespace {

using Specs = std::vector<TensorSpec>;

void append(Specs& to, Specs&& from) {
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

Specs attention_tensors(const ModelConfig& c, const std::string& prefix) {
  const std::string p = prefix + "self_attn.";
  const int64_t heads = c.num_attention_heads;
  return {
      {p + "q_a_proj.weight", {c.q_lora_rank, c.hidden_size}},
      {p + "q_a_layernorm.weight", {c.q_lora_rank}},
      {p + "q_b_proj.weight", {heads * c.qk_head_dim(), c.q_lora_rank}},
      {p + "kv_a_proj_with_mqa.weight", {c.kv_row(), c.hidden_size}},
      {p + "kv_a_layernorm.weight", {c.kv_lora_rank}},
      {p + "kv_b_proj.weight", {heads * (c.qk_nope_head_dim + c.v_head_dim), c.kv_lora_rank}},
      {p + "o_proj.weight", {c.hidden_size, heads * c.v_head_dim}},
  };
}

// A SwiGLU MLP: the dense layers', the shared experts' and each routed expert's.
Specs mlp_tensors(const std::string& prefix, int64_t hidden_size, int64_t width) {
  return {
      {prefix + "gate_proj.weight", {width, hidden_size}},
      {prefix + "up_proj.weight", {width, hidden_size}},
      {prefix + "down_proj.weight", {hidden_size, width}},
  };
}

Specs expert_tensors(const ModelConfig& c, const std::string& prefix, ExpertLayout layout) {
  const int64_t width = c.moe_intermediate_size;
  if (layout == ExpertLayout::kStacked) {
    return {
        {prefix + "gate_up_proj", {c.n_routed_experts, 2 * width, c.hidden_size}},
        {prefix + "down_proj", {c.n_routed_experts, c.hidden_size, width}},
    };
  }
  Specs specs;
  for (int expert = 0; expert < c.n_routed_experts; ++expert) {
    append(specs, mlp_tensors(cat(prefix, expert, "."), c.hidden_size, width));
  }
  return specs;
}

Specs moe_tensors(const ModelConfig& c, const std::string& prefix, ExpertLayout layout) {
  Specs specs = {
      {prefix + "gate.weight", {c.n_routed_experts, c.hidden_size}},
      {prefix + "gate.e_score_correction_bias", {c.n_routed_experts}, /*is_float32=*/true},
  };
  append(specs, expert_tensors(c, prefix + "experts.", layout));
  const int64_t shared_width = int64_t{c.n_shared_experts} * c.moe_intermediate_size;
  if (shared_width > 0) {
    append(specs, mlp_tensors(prefix + "shared_experts.", c.hidden_size, shared_width));
  }
  return specs;
}

}  // namespace

std::string layer_prefix(int layer) { return cat("model.layers.", layer, "."); }

std::vector<TensorSpec> outer_tensors(const ModelConfig& config) {
  Specs specs = {
      {"model.embed_tokens.weight", {config.vocab_size, config.hidden_size}},
      {"model.norm.weight", {config.hidden_size}},
  };
  if (!config.tie_word_embeddings) {
    specs.push_back({"lm_head.weight", {config.vocab_size, config.hidden_size}});
  }
  return specs;
}

std::vector<TensorSpec> decoder_layer_tensors(const ModelConfig& config, int layer,
                                              ExpertLayout layout) {
  const std::string prefix = layer_prefix(layer);
  Specs specs = {{prefix + "input_layernorm.weight", {config.hidden_size}},
                 {prefix + "post_attention_layernorm.weight", {config.hidden_size}}};
  append(specs, attention_tensors(config, prefix));
  append(specs, config.is_moe_layer(layer)
                    ? moe_tensors(config, prefix + "mlp.", layout)
                    : mlp_tensors(prefix + "mlp.", config.hidden_size, config.intermediate_size));
  return specs;
}

std::vector<TensorSpec> mtp_tensors(const ModelConfig& config) {
  const std::string prefix = layer_prefix(config.num_hidden_layers);
  const int64_t hidden = config.hidden_size;
  return {
      {prefix + "enorm.weight", {hidden}},
      {prefix + "hnorm.weight", {hidden}},
      {prefix + "eh_proj.weight", {hidden, 2 * hidden}},
      {prefix + "shared_head.norm.weight", {hidden}},
      {prefix + "embed_tokens.weight", {config.vocab_size, hidden}},
      {prefix + "shared_head.head.weight", {config.vocab_size, hidden}},
  };
}

std::vector<TensorSpec> model_tensors(const ModelConfig& config, ExpertLayout layout,
                                      bool with_mtp) {
  Specs specs = outer_tensors(config);
  const int num_layers = config.num_hidden_layers + (with_mtp ? 1 : 0);
  for (int layer = 0; layer < num_layers; ++layer) {
    append(specs, decoder_layer_tensors(config, layer, layout));
  }
  if (with_mtp) append(specs, mtp_tensors(config));
  return specs;
}

int64_t num_elements(const std::vector<TensorSpec>& tensors) {
  int64_t total = 0;
  for (const TensorSpec& tensor : tensors) {
    int64_t elements = 1;
    for (const int64_t size : tensor.shape) elements *= size;
    total += elements;
  }
  return total;
}

}  // namespace glint
