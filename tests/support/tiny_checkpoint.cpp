#include "tests/support/tiny_checkpoint.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/support/safetensors_writer.h"

namespace glint {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

// Random numbers by position: the same whatever is written around them (SplitMix64, Steele, Lea and
// Flood, OOPSLA 2014).
uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

uint64_t hash(std::string_view text) {  // FNV-1a
  uint64_t h = 0xcbf29ce484222325;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return h;
}

// About normal, variance 1: the sum of four uniforms. Integers and one exact product, because the
// logarithm and cosine of Box and Muller differ between C libraries.
float gaussian(uint64_t random) {
  int64_t sum = 0;
  for (int i = 0; i < 4; ++i) sum += static_cast<int64_t>((random >> (16 * i)) & 0xffff);
  constexpr float kSqrt3Over65536 = 1.7320508f / 65536.0f;
  return static_cast<float>(sum - 2 * 0xffff) * kSqrt3Over65536;
}

uint16_t to_bf16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

// Nearest even; for |value| < 65504. Values below 2^-14 lose bits as subnormals.
uint16_t to_f16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = (bits >> 16) & 0x8000;
  const float magnitude = std::fabs(value);
  if (magnitude < 0x1p-14f) {
    return static_cast<uint16_t>(sign | static_cast<uint32_t>(std::nearbyint(magnitude * 0x1p24f)));
  }
  const uint32_t rounded = (bits & 0x7fffffff) + 0xfff + ((bits >> 13) & 1);
  return static_cast<uint16_t>(sign | ((rounded - (112u << 23)) >> 13));
}

void append_value(std::string& bytes, float value, TensorType type) {
  const uint32_t bits = type == TensorType::kF32    ? std::bit_cast<uint32_t>(value)
                        : type == TensorType::kBf16 ? to_bf16(value)
                                                    : to_f16(value);
  const int num_bytes = type == TensorType::kF32 ? 4 : 2;
  for (int i = 0; i < num_bytes; ++i) bytes += static_cast<char>((bits >> (8 * i)) & 0xff);
}

struct Distribution {
  float mean = 0, sigma = 0;
};

Distribution distribution_of(const TensorSpec& spec) {
  if (spec.is_float32) return {0, 0.05f};
  if (spec.shape.size() == 1) return {1, 0.1f};
  if (spec.name.ends_with("embed_tokens.weight")) return {0, 1};
  const auto in_features = static_cast<float>(spec.shape.back());
  return {0, 0.02f * std::sqrt(2048.0f / in_features)};
}

// One tensor of the separate layout.
void append_body(std::string& bytes, const TensorSpec& spec, TensorType type, uint64_t seed) {
  const auto [mean, sigma] = distribution_of(spec);
  const uint64_t stream = mix(seed ^ hash(spec.name));
  const auto count = static_cast<uint64_t>(num_elements({spec}));
  for (uint64_t i = 0; i < count; ++i) {
    append_value(bytes, mean + sigma * gaussian(mix(stream + i)), type);
  }
}

// A stacked tensor is its experts' separate tensors one after another, so that both layouts hold
// the same model.
void append_stacked(std::string& bytes, const TensorSpec& spec, TensorType type, uint64_t seed) {
  const bool is_down = spec.name.ends_with("down_proj");
  const std::string prefix = spec.name.substr(0, spec.name.rfind('.') + 1);
  const int64_t rows = is_down ? spec.shape[1] : spec.shape[1] / 2;
  for (int64_t expert = 0; expert < spec.shape[0]; ++expert) {
    for (const char* part : {"gate_proj.weight", "up_proj.weight", "down_proj.weight"}) {
      if (is_down != std::string_view(part).starts_with("down")) continue;
      append_body(bytes, {cat(prefix, expert, ".", part), {rows, spec.shape[2]}}, type, seed);
    }
  }
}

struct Shard {
  std::string file_name;
  std::vector<TensorSpec> tensors;
};

std::vector<Shard> split(const std::vector<TensorSpec>& tensors, int num_shards) {
  if (num_shards == 1) return {{"model.safetensors", tensors}};
  std::vector<Shard> shards;
  const size_t n = static_cast<size_t>(num_shards);
  for (size_t i = 0; i < n; ++i) {
    char file_name[64];
    std::snprintf(file_name, sizeof(file_name), "model-%05zu-of-%05zu.safetensors", i + 1, n);
    const auto at = [&](size_t shard) {
      return tensors.begin() + static_cast<std::ptrdiff_t>(tensors.size() * shard / n);
    };
    shards.push_back({file_name, {at(i), at(i + 1)}});
  }
  return shards;
}

Result<void> write_shard(const fs::path& path, const Shard& shard, TensorType dtype,
                         uint64_t seed) {
  std::vector<SafetensorsEntry> entries;
  std::string bodies;
  for (const TensorSpec& spec : shard.tensors) {
    const TensorType type = spec.is_float32 ? TensorType::kF32 : dtype;
    const size_t begin = bodies.size();
    const bool stacked = spec.shape.size() == 3;
    (stacked ? append_stacked : append_body)(bodies, spec, type, seed);
    entries.push_back({spec.name, std::string(to_string(type)), spec.shape, bodies.size() - begin});
  }
  return write_file(path, safetensors_header(entries) + bodies);
}

Result<void> write_index(const fs::path& folder, const std::vector<Shard>& shards) {
  Json weight_map = Json::object();
  for (const Shard& shard : shards) {
    for (const TensorSpec& spec : shard.tensors) weight_map[spec.name] = shard.file_name;
  }
  const Json index = {{"metadata", {{"total_size", 0}}}, {"weight_map", weight_map}};
  return write_file(folder / "model.safetensors.index.json", index.dump(2) + "\n");
}

Json generation_config(const ModelConfig& config) {
  return {{"_from_model_config", true},
          {"eos_token_id", config.eos_token_id},
          {"pad_token_id", config.pad_token_id.value_or(0)},
          {"temperature", 1.0},
          {"transformers_version", "5.0.0.dev0"}};
}

const char* dtype_name(TensorType type) {
  switch (type) {
    case TensorType::kF32:
      return "float32";
    case TensorType::kF16:
      return "float16";
    case TensorType::kBf16:
      return "bfloat16";
  }
  return "";
}

}  // namespace

std::string config_json(const ModelConfig& c) {
  Json json = {
      {"architectures", {"Glm4MoeLiteForCausalLM"}},
      {"attention_bias", false},
      {"attention_dropout", 0.0},
      {"pad_token_id", nullptr},
      {"eos_token_id", c.eos_token_id},
      {"hidden_act", "silu"},
      {"hidden_size", c.hidden_size},
      {"intermediate_size", c.intermediate_size},
      {"max_position_embeddings", c.max_position_embeddings},
      {"model_type", "glm4_moe_lite"},
      {"moe_intermediate_size", c.moe_intermediate_size},
      {"topk_method", "noaux_tc"},
      {"norm_topk_prob", c.norm_topk_prob},
      {"num_attention_heads", c.num_attention_heads},
      {"n_group", 1},
      {"topk_group", 1},
      {"n_routed_experts", c.n_routed_experts},
      {"n_shared_experts", c.n_shared_experts},
      {"routed_scaling_factor", std::round(double{c.routed_scaling_factor} * 1e6) / 1e6},
      {"num_experts_per_tok", c.num_experts_per_tok},
      {"first_k_dense_replace", c.first_k_dense_replace},
      {"num_hidden_layers", c.num_hidden_layers},
      {"num_key_value_heads", c.num_attention_heads},
      {"num_nextn_predict_layers", c.num_nextn_predict_layers},
      {"partial_rotary_factor", 1.0},
      {"rms_norm_eps", std::round(double{c.rms_norm_eps} * 1e9) / 1e9},
      {"rope_scaling", nullptr},
      {"rope_theta", c.rope_theta},
      {"tie_word_embeddings", c.tie_word_embeddings},
      {"dtype", c.dtype},
      {"transformers_version", "5.0.0rc0"},
      {"q_lora_rank", c.q_lora_rank},
      {"kv_lora_rank", c.kv_lora_rank},
      {"qk_nope_head_dim", c.qk_nope_head_dim},
      {"qk_rope_head_dim", c.qk_rope_head_dim},
      {"v_head_dim", c.v_head_dim},
      {"vocab_size", c.vocab_size},
  };
  if (c.pad_token_id) json["pad_token_id"] = *c.pad_token_id;
  // Absent keys mean these values, to us and to transformers.
  if (!c.rope_interleave) json["rope_interleave"] = false;
  if (c.first_k_dense_replace != 1) {  // transformers reads only this one
    for (int i = 0; i < c.num_hidden_layers; ++i) {
      json["mlp_layer_types"].push_back(c.is_moe_layer(i) ? "sparse" : "dense");
    }
  }
  return json.dump(2) + "\n";
}

Result<void> write_tiny_checkpoint(const fs::path& folder, const TinyCheckpointOptions& options) {
  CHECK(options.num_shards >= 1, options.num_shards);
  ModelConfig config = options.config;
  config.dtype = dtype_name(options.dtype);
  config.num_nextn_predict_layers = options.with_mtp ? 1 : 0;
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return Error{ErrorCode::kStartup, cat(folder.string(), ": ", error.message())};

  const std::vector<Shard> shards =
      split(model_tensors(config, options.expert_layout, options.with_mtp), options.num_shards);
  for (const Shard& shard : shards) {
    TRY(write_shard(folder / shard.file_name, shard, options.dtype, options.seed));
  }
  if (shards.size() > 1) TRY(write_index(folder, shards));
  TRY(write_file(folder / "generation_config.json", generation_config(config).dump(2) + "\n"));
  TRY(write_file(folder / "tokenizer.json", tiny_tokenizer_json()));
  TRY(write_file(folder / "tokenizer_config.json", tiny_tokenizer_config_json()));
  return write_file(folder / "config.json", config_json(config));  // last: a whole folder has it
}

}  // namespace glint
