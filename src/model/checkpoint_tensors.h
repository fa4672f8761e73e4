#pragma once

// The names and shapes of a checkpoint's tensors, as the config implies them: what the loader asks
// for, what the memory plan adds up, and what tests write.
//
// Source: the weight map of zai-org/GLM-4.7-Flash; transformers, modeling_glm4_moe_lite.py.

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/checkpoint.h"
#include "model/config.h"

namespace glint {

struct TensorSpec {
  std::string name;
  std::vector<int64_t> shape;  // [out_features, in_features] for projections
  bool is_float32 = false;     // F32 in files of any dtype: e_score_correction_bias
};

// How a layer's routed experts lie in the files. The released checkpoint has one tensor for each;
// transformers 5 keeps them stacked in memory and may save them so.
enum class ExpertLayout {
  kSeparate,  // experts.{e}.gate_proj.weight, .up_proj.weight [I, H], .down_proj.weight [H, I]
  kStacked,   // experts.gate_up_proj [E, 2 I, H] (gate rows first), experts.down_proj [E, H, I]
};

// "model.layers.{layer}."
std::string layer_prefix(int layer);

// embed_tokens, final norm and, unless tied to the embedding, lm_head.
std::vector<TensorSpec> outer_tensors(const ModelConfig& config);
// One decoder layer; num_hidden_layers names the MTP layer's decoder part.
std::vector<TensorSpec> decoder_layer_tensors(const ModelConfig& config, int layer,
                                              ExpertLayout layout);
// What the MTP layer has beside its decoder part. Its own embedding and head come last: two tensors
// that a checkpoint may leave out, for they may equal the model's.
std::vector<TensorSpec> mtp_tensors(const ModelConfig& config);
// All of the above, in this order; the MTP layer's only with `with_mtp`.
std::vector<TensorSpec> model_tensors(const ModelConfig& config, ExpertLayout layout,
                                      bool with_mtp);

int64_t num_elements(const std::vector<TensorSpec>& tensors);

}  // namespace glint
