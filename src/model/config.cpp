#include "model/config.h"

#include <algorithm>

#include "base/file.h"
#include "model/config_fields.h"

namespace glint {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kArchitecture = "Glm4MoeLiteForCausalLM";
constexpr std::string_view kModelType = "glm4_moe_lite";

// The upper ends are far above every model of this kind and low enough for int64_t: experts x width
// x hidden x layers x 4 bytes stays under 2^62.
struct IntegerKey {
  const char* key;
  int ModelConfig::*field;
  int min, max;
  int absent;  // Glm4MoeLiteConfig's default
};
constexpr IntegerKey kIntegerKeys[] = {
    {"hidden_size", &ModelConfig::hidden_size, 1, 1 << 16, 2048},
    {"intermediate_size", &ModelConfig::intermediate_size, 1, 1 << 18, 10240},
    {"moe_intermediate_size", &ModelConfig::moe_intermediate_size, 1, 1 << 16, 1536},
    {"num_hidden_layers", &ModelConfig::num_hidden_layers, 1, 1024, 47},
    {"num_nextn_predict_layers", &ModelConfig::num_nextn_predict_layers, 0, 1, 0},
    {"num_attention_heads", &ModelConfig::num_attention_heads, 1, 1024, 20},
    {"q_lora_rank", &ModelConfig::q_lora_rank, 1, 1 << 16, 768},
    {"kv_lora_rank", &ModelConfig::kv_lora_rank, 1, 1 << 16, 512},
    {"qk_nope_head_dim", &ModelConfig::qk_nope_head_dim, 1, 4096, 192},
    {"qk_rope_head_dim", &ModelConfig::qk_rope_head_dim, 2, 4096, 64},
    {"v_head_dim", &ModelConfig::v_head_dim, 1, 4096, 256},
    {"n_routed_experts", &ModelConfig::n_routed_experts, 1, 1024, 64},
    {"n_shared_experts", &ModelConfig::n_shared_experts, 0, 16, 1},
    {"num_experts_per_tok", &ModelConfig::num_experts_per_tok, 1, 1024, 4},
    {"max_position_embeddings", &ModelConfig::max_position_embeddings, 1, 1 << 24, 202752},
    {"vocab_size", &ModelConfig::vocab_size, 1, 1 << 24, 154880},
};

Result<void> check_architecture(const ConfigFields& fields) {
  if (fields.is_set("architectures")) {
    const Json& names = *fields.find("architectures");
    const bool found = names.is_array() &&
                       std::find(names.begin(), names.end(), Json(kArchitecture)) != names.end();
    if (!found) return fields.refuse("architectures", cat("[\"", kArchitecture, "\"]"));
  }
  // Without `architectures`, model_type has to say it.
  const std::string absent = fields.is_set("architectures") ? std::string(kModelType) : "";
  if (TRY(fields.string("model_type", absent)) != kModelType) {
    return fields.refuse("model_type", cat("\"", kModelType, "\", the only model glint serves"));
  }
  return {};
}

Result<void> check_not_quantized(const ConfigFields& fields, std::string_view file) {
  if (!fields.is_set("quantization_config")) return {};
  const Json& quantization = *fields.find("quantization_config");
  const auto method =
      quantization.is_object() ? quantization.find("quant_method") : quantization.end();
  const bool named =
      quantization.is_object() && method != quantization.end() && method->is_string();
  return Error{
      ErrorCode::kStartup,
      cat(file, ": quantization_config.quant_method is ", named ? to_json_text(*method) : "absent",
          "; expected no quantization_config: this version reads BF16, FP16 and FP32 "
          "checkpoints. Use the unquantized one.")};
}

// Settings with one value that the forward pass is written for. An absent key means that value: so
// does transformers' model class.
Result<void> check_fixed_settings(const ConfigFields& fields) {
  struct Fixed {
    const char* key;
    Json value;
    const char* expected;
  };
  static const Fixed kFixed[] = {
      {"hidden_act", "silu", "\"silu\""},
      {"attention_bias", false, "false"},
      {"scoring_func", "sigmoid", "\"sigmoid\""},
      {"topk_method", "noaux_tc", "\"noaux_tc\""},
      {"n_group", 1, "1 (no expert groups)"},
      {"topk_group", 1, "1 (no expert groups)"},
      {"moe_layer_freq", 1, "1"},
      {"partial_rotary_factor", 1.0, "1.0"},
      {"pretraining_tp", 1, "1"},
  };
  for (const Fixed& fixed : kFixed) {
    const Json* value = fields.find(fixed.key);
    if (value != nullptr && *value != fixed.value) return fields.refuse(fixed.key, fixed.expected);
  }
  return {};
}

// mlp_layer_types, which transformers 5 writes, and first_k_dense_replace, which it ignores, say
// the same thing.
Result<int> read_first_k_dense_replace(const ConfigFields& fields, int num_hidden_layers) {
  if (!fields.is_set("mlp_layer_types")) {
    return static_cast<int>(TRY(fields.integer("first_k_dense_replace", 0, num_hidden_layers, 1)));
  }
  const Json& types = *fields.find("mlp_layer_types");
  const auto first_sparse =
      std::find_if(types.begin(), types.end(), [](const Json& type) { return type != "dense"; });
  const bool valid =
      types.is_array() && types.size() == static_cast<size_t>(num_hidden_layers) &&
      std::all_of(first_sparse, types.end(), [](const Json& type) { return type == "sparse"; });
  if (!valid) {
    return fields.refuse("mlp_layer_types", cat("\"dense\" some times, then \"sparse\", ",
                                                num_hidden_layers, " in all (num_hidden_layers)"));
  }
  const auto num_dense = std::distance(types.begin(), first_sparse);
  TRY(fields.integer("first_k_dense_replace", num_dense, num_dense, num_dense));
  return static_cast<int>(num_dense);
}

// Old files have rope_theta and rope_scaling at the top, transformers 5 writes rope_parameters.
Result<double> read_rope_theta(const ConfigFields& fields, std::string_view file) {
  constexpr double kMinTheta = 1, kMaxTheta = 1e12;  // below 1, frequencies would grow without end
  std::optional<double> theta;
  if (fields.is_set("rope_theta"))
    theta = TRY(fields.number("rope_theta", kMinTheta, kMaxTheta, 0));
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    if (!fields.is_set(key)) continue;
    const Json& object = *fields.find(key);
    if (!object.is_object()) return fields.refuse(key, "an object or null");
    const ConfigFields rope(object, file);
    for (const char* type : {"rope_type", "type"}) {
      if (TRY(rope.string(type, "default")) != "default") {
        return fields.refuse(key, cat("null, or a ", type, " of \"default\""));
      }
    }
    const double inner = TRY(rope.number("rope_theta", kMinTheta, kMaxTheta, theta.value_or(1e6)));
    if (theta && *theta != inner) {
      return fields.refuse("rope_theta", cat("what ", key, ".rope_theta says, ", inner));
    }
    if (TRY(rope.number("partial_rotary_factor", 0, 1, 1)) != 1) {
      return fields.refuse(key, "a partial_rotary_factor of 1.0");
    }
    if (rope.is_set("rope_theta")) theta = inner;
  }
  return theta.value_or(1e6);
}

// `dtype` is the newer name of `torch_dtype`.
Result<std::string> read_dtype(const ConfigFields& fields) {
  const char* key = fields.is_set("dtype") ? "dtype" : "torch_dtype";
  if (!fields.is_set(key)) return std::string("bfloat16");
  const std::string dtype = TRY(fields.string(key, ""));
  if (dtype != "bfloat16" && dtype != "float16" && dtype != "float32") {
    return fields.refuse(key, "\"bfloat16\", \"float16\" or \"float32\"");
  }
  return dtype;
}

Result<void> read_sizes(const ConfigFields& fields, ModelConfig& config) {
  for (const IntegerKey& key : kIntegerKeys) {
    config.*key.field =
        static_cast<int>(TRY(fields.integer(key.key, key.min, key.max, key.absent)));
  }
  if (config.qk_rope_head_dim % 2 != 0) return fields.refuse("qk_rope_head_dim", "an even number");
  if (config.num_experts_per_tok > config.n_routed_experts) {
    return fields.refuse("num_experts_per_tok",
                         cat("at most n_routed_experts, ", config.n_routed_experts));
  }
  const int heads = config.num_attention_heads;
  // MLA caches one latent head; the key is formal, and another value hints at another attention.
  TRY(fields.integer("num_key_value_heads", heads, heads, heads));
  config.first_k_dense_replace = TRY(read_first_k_dense_replace(fields, config.num_hidden_layers));
  return {};
}

Result<void> read_scalars(const ConfigFields& fields, ModelConfig& config) {
  config.norm_topk_prob = TRY(fields.boolean("norm_topk_prob", true));
  config.rope_interleave = TRY(fields.boolean("rope_interleave", true));
  config.tie_word_embeddings = TRY(fields.boolean("tie_word_embeddings", false));
  config.routed_scaling_factor =
      static_cast<float>(TRY(fields.number("routed_scaling_factor", 0, 1e3, 1.8)));
  config.rms_norm_eps = static_cast<float>(TRY(fields.number("rms_norm_eps", 1e-12, 0.1, 1e-5)));
  return {};
}

Result<void> read_tokens(const ConfigFields& fields, ModelConfig& config) {
  config.eos_token_id = TRY(fields.token_ids("eos_token_id", config.vocab_size));
  if (fields.is_set("pad_token_id")) {
    config.pad_token_id =
        static_cast<TokenId>(TRY(fields.integer("pad_token_id", 0, config.vocab_size - 1, 0)));
  }
  return {};
}

Result<Json> parse_object(std::string_view json_text, std::string_view name) {
  Result<Json> json = parse_json(json_text);
  if (!json) return Error{ErrorCode::kStartup, cat(name, ": ", json.error().message)};
  if (!json->is_object()) {
    return Error{ErrorCode::kStartup,
                 cat(name, ": found ", json->type_name(), "; expected a JSON object.")};
  }
  return json;
}

Result<std::string> read_text(const fs::path& path) {
  if (auto text = read_file(path)) return *std::move(text);
  return Error{ErrorCode::kStartup, cat(path.string(), ": cannot be read. A model's folder has ",
                                        "this file beside its *.safetensors.")};
}

Result<std::optional<float>> optional_number(const ConfigFields& fields, std::string_view key,
                                             double min, double max) {
  if (!fields.is_set(key)) return std::optional<float>();
  return std::optional<float>(static_cast<float>(TRY(fields.number(key, min, max, 0))));
}

}  // namespace

Result<ModelConfig> parse_config(std::string_view json_text, std::string_view name) {
  const Json json = TRY(parse_object(json_text, name));
  const ConfigFields fields(json, name);
  TRY(check_architecture(fields));
  TRY(check_not_quantized(fields, name));
  TRY(check_fixed_settings(fields));
  ModelConfig config;
  TRY(read_sizes(fields, config));
  TRY(read_scalars(fields, config));
  TRY(read_tokens(fields, config));
  config.rope_theta = TRY(read_rope_theta(fields, name));
  config.dtype = TRY(read_dtype(fields));
  return config;
}

Result<ModelConfig> load_config(const fs::path& config_json) {
  return parse_config(TRY(read_text(config_json)), config_json.string());
}

Result<GenerationConfig> parse_generation_config(std::string_view json_text,
                                                 std::string_view name) {
  const Json json = TRY(parse_object(json_text, name));
  const ConfigFields fields(json, name);
  GenerationConfig config;
  config.eos_token_id = TRY(fields.token_ids("eos_token_id", int64_t{1} << 24));
  // The ranges of SamplingParams; "above" takes in the borders that are allowed.
  constexpr double kBelowZero = -1e-9;
  config.temperature = TRY(optional_number(fields, "temperature", kBelowZero, 1e6));
  config.top_p = TRY(optional_number(fields, "top_p", 0, 1));
  config.min_p = TRY(optional_number(fields, "min_p", kBelowZero, 1));
  config.repetition_penalty = TRY(optional_number(fields, "repetition_penalty", 0, 2));
  if (fields.is_set("top_k")) {
    config.top_k = static_cast<int>(TRY(fields.integer("top_k", -1, 1 << 24, -1)));
  }
  return config;
}

ModelConfig glm_4_7_flash_config() {
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
          .eos_token_id = {154820, 154827, 154829},
          .pad_token_id = 154820,
          .dtype = "bfloat16"};
}

Result<GenerationConfig> load_generation_config(const fs::path& generation_config_json) {
  std::error_code error;
  if (!fs::exists(generation_config_json, error)) return GenerationConfig{};
  return parse_generation_config(TRY(read_text(generation_config_json)),
                                 generation_config_json.string());
}

}  // namespace glint
