#include "tests/checkpoint/replica.h"

#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "model/checkpoint_tensors.h"
#include "tests/support/safetensors_writer.h"
#include "tests/support/tiny_checkpoint.h"

namespace glint {
namespace {

namespace fs = std::filesystem;

constexpr int kNumShards = 48;
// The released index's number is the count of elements, where bytes are meant.
constexpr int64_t kTotalSize = 31'221'488'576;

using Shards = std::array<std::vector<TensorSpec>, kNumShards>;

std::string shard_name(size_t shard) {
  char name[64];
  std::snprintf(name, sizeof(name), "model-%05zu-of-%05d.safetensors", shard + 1, kNumShards);
  return name;
}

// One layer a shard. The vocabulary's tables lie where the file sizes show them: the embedding and
// one of the MTP layer's in the first shard, the head and its other one in the last but one.
Shards place_tensors(const ModelConfig& config) {
  Shards shards;
  for (const TensorSpec& spec : outer_tensors(config)) {
    shards[spec.name == "model.embed_tokens.weight" ? 0 : kNumShards - 2].push_back(spec);
  }
  for (int layer = 0; layer < kNumShards; ++layer) {
    for (TensorSpec& spec : decoder_layer_tensors(config, layer, ExpertLayout::kSeparate)) {
      shards[static_cast<size_t>(layer)].push_back(std::move(spec));
    }
  }
  for (const TensorSpec& spec : mtp_tensors(config)) {
    const bool is_embedding = spec.name.ends_with("embed_tokens.weight");
    const bool is_head = spec.name.ends_with("shared_head.head.weight");
    shards[is_embedding ? 0 : is_head ? kNumShards - 2 : kNumShards - 1].push_back(spec);
  }
  return shards;
}

std::vector<SafetensorsEntry> entries_of(const std::vector<TensorSpec>& specs) {
  std::vector<SafetensorsEntry> entries;
  for (const TensorSpec& spec : specs) {
    const auto bytes = static_cast<uint64_t>(num_elements({spec}) * (spec.is_float32 ? 4 : 2));
    entries.push_back({spec.name, spec.is_float32 ? "F32" : "BF16", spec.shape, bytes});
  }
  return entries;
}

}  // namespace

Result<void> write_replica(const fs::path& folder) {
  const Shards shards = place_tensors(glm_4_7_flash_config());
  nlohmann::json index = {{"metadata", {{"total_size", kTotalSize}}}};
  for (size_t i = 0; i < shards.size(); ++i) {
    TRY(write_sparse_safetensors(folder / shard_name(i), entries_of(shards[i])));
    for (const TensorSpec& spec : shards[i]) index["weight_map"][spec.name] = shard_name(i);
  }
  TRY(write_file(folder / "model.safetensors.index.json", index.dump(2)));
  TRY(write_file(folder / "generation_config.json",
                 R"({"eos_token_id": [154820, 154827, 154829], "temperature": 1.0})"));
  TRY(write_file(folder / "tokenizer.json", tiny_tokenizer_json()));
  return write_file(folder / "config.json", config_json(glm_4_7_flash_config()));
}

}  // namespace glint
