#pragma once

// Checkpoints of GLM-4.7-Flash's architecture and file formats with random weights and a byte-level
// tokenizer, small enough to make on the spot. The same options give the same bytes on every
// machine, so that what was recorded from a checkpoint once can be compared with it anywhere.

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/checkpoint.h"
#include "model/checkpoint_tensors.h"
#include "model/config.h"

namespace glint {

struct TinyShape {
  std::string_view name;
  std::string_view summary;
  ModelConfig config;
};

// "tiny": two layers, for tests of everything above the model. "tiny_deep": odd widths, more
// layers, two dense ones. "mla_widths": the real attention widths (512 / 64 / 192 / 256).
// "ten_million": the size of the bundled model.
const std::vector<TinyShape>& tiny_shapes();
// One of them by name; an unknown name is a CHECK.
ModelConfig tiny_config(std::string_view name = "tiny");

struct TinyCheckpointOptions {
  ModelConfig config = tiny_config();
  TensorType dtype = TensorType::kBf16;
  ExpertLayout expert_layout = ExpertLayout::kSeparate;
  int num_shards = 1;     // 1: model.safetensors, no index
  bool with_mtp = false;  // also sets num_nextn_predict_layers
  uint64_t seed = 1;
};

// Writes config.json, generation_config.json, tokenizer.json, tokenizer_config.json and the
// safetensors into `folder`, which is made if need be.
//
// Projections are normal with sigma 0.02 sqrt(2048 / in_features): what the full-size model is
// initialised with, so that activations, attention and routing are as spread at any width.
// Embeddings have sigma 1, norm weights 1 +- 0.1, correction biases sigma 0.05.
Result<void> write_tiny_checkpoint(const std::filesystem::path& folder,
                                   const TinyCheckpointOptions& options = {});

// The text of config.json with all keys of the released file.
std::string config_json(const ModelConfig& config);

// tokenizer.json: 256 bytes, some merges of English, then the 36 added tokens of the released file
// at the ids that follow; its pattern and structure too. And tokenizer_config.json for it.
std::string tiny_tokenizer_json();
std::string tiny_tokenizer_config_json();
// Ids that the tokenizer has; the shapes' vocab_size is a little more, as the real one's.
int tiny_num_tokens();
// The id of an added token, as "<|user|>"; an unknown one is a CHECK.
TokenId tiny_token_id(std::string_view token);

}  // namespace glint
