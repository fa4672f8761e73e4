#include "model/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/json.h"
#include "tests/support/safetensors_writer.h"
#include "tests/support/test_folder.h"
#include "tests/support/tiny_checkpoint.h"

namespace glint {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

Json released() { return *parse_json(config_json(glm_4_7_flash_config())); }

// The released config with one key set to `value`, a JSON text.
std::string with(const std::string& key, const std::string& value) {
  Json json = released();
  json[key] = nlohmann::ordered_json::parse(value);
  return json.dump();
}

std::string error_of(const std::string& text) {
  const Result<ModelConfig> config = parse_config(text, "config.json");
  return config ? "" : config.error().message;
}

TEST(Config, ReadsWhatTheReleasedFileSays) {
  const ModelConfig written = glm_4_7_flash_config();
  const Result<ModelConfig> read = parse_config(config_json(written), "config.json");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(config_json(*read), config_json(written));
  EXPECT_EQ(read->qk_head_dim(), 256);
  EXPECT_EQ(read->kv_row(), 576);
}

// Glm4MoeLiteConfig's own defaults are the released model, but for the MTP layer.
TEST(Config, AbsentKeysTakeTheClassesDefaults) {
  const Result<ModelConfig> read = parse_config(R"({"model_type": "glm4_moe_lite"})", "c");
  ASSERT_TRUE(read) << read.error().message;
  ModelConfig expected = glm_4_7_flash_config();
  expected.num_nextn_predict_layers = 0;
  expected.eos_token_id = {};
  expected.pad_token_id = {};
  EXPECT_EQ(config_json(*read), config_json(expected));
}

TEST(Config, TransformersFiveSpellingsMeanTheSame) {
  Json json = released();
  json.erase("rope_theta");
  json.erase("rope_scaling");
  json["rope_parameters"] = {{"rope_type", "default"}, {"rope_theta", 2e6}};
  json["mlp_layer_types"] = std::vector<std::string>(47, "sparse");
  json["mlp_layer_types"][0] = json["mlp_layer_types"][1] = "dense";
  json["first_k_dense_replace"] = 2;
  json["eos_token_id"] = 7;
  json.erase("dtype");
  json["torch_dtype"] = "float16";
  const Result<ModelConfig> read = parse_config(json.dump(), "config.json");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->rope_theta, 2e6);
  EXPECT_EQ(read->first_k_dense_replace, 2);
  EXPECT_EQ(read->eos_token_id, std::vector<TokenId>{7});
  EXPECT_EQ(read->dtype, "float16");
}

// One wrong key each: the sentence has file, key, what was found and what was expected.
TEST(Config, WrongValuesAreRefused) {
  const struct {
    const char *key, *value, *sentence;
  } cases[] = {
      {"architectures", R"(["Glm4MoeForCausalLM"])",
       R"(architectures is ["Glm4MoeForCausalLM"]; expected ["Glm4MoeLiteForCausalLM"].)"},
      {"architectures", "[]", R"(architectures is []; expected ["Glm4MoeLiteForCausalLM"].)"},
      {"architectures", "1", "architectures is 1; expected"},
      {"model_type", R"("deepseek_v3")",
       R"(model_type is "deepseek_v3"; expected "glm4_moe_lite", the only model glint serves.)"},
      {"q_lora_rank", "null", "q_lora_rank is null; expected an integer from 1 to 65536."},
      {"n_group", "8", "n_group is 8; expected 1 (no expert groups)."},
      {"topk_group", "4", "topk_group is 4; expected 1 (no expert groups)."},
      {"rope_scaling", R"({"type": "yarn", "factor": 4})",
       R"(rope_scaling is {"type":"yarn","factor":4}; expected null, or a type of "default".)"},
      {"rope_scaling", R"({"rope_type": "linear"})", "or a rope_type of \"default\"."},
      {"rope_scaling", "2.0", "rope_scaling is 2.0; expected an object or null."},
      {"rope_parameters", R"({"rope_theta": 5})", "rope_theta is 1000000.0; expected what"},
      {"rope_parameters", R"({"partial_rotary_factor": 0.5})",
       "expected a partial_rotary_factor of 1.0."},
      {"partial_rotary_factor", "0.5", "partial_rotary_factor is 0.5; expected 1.0."},
      {"quantization_config", R"({"quant_method": "fp8", "bits": 8})",
       R"(quantization_config.quant_method is "fp8"; expected no quantization_config)"},
      {"quantization_config", "{}", "quantization_config.quant_method is absent; expected no"},
      {"attention_bias", "true", "attention_bias is true; expected false."},
      {"hidden_act", R"("gelu")", R"(hidden_act is "gelu"; expected "silu".)"},
      {"scoring_func", R"("softmax")", R"(scoring_func is "softmax"; expected "sigmoid".)"},
      {"topk_method", R"("greedy")", R"(topk_method is "greedy"; expected "noaux_tc".)"},
      {"moe_layer_freq", "2", "moe_layer_freq is 2; expected 1."},
      {"num_key_value_heads", "4", "num_key_value_heads is 4; expected 20."},
      {"num_experts_per_tok", "65", "num_experts_per_tok is 65; expected at most n_routed"},
      {"qk_rope_head_dim", "63", "qk_rope_head_dim is 63; expected an even number."},
      {"num_nextn_predict_layers", "2",
       "num_nextn_predict_layers is 2; expected an integer from 0"},
      {"first_k_dense_replace", "48",
       "first_k_dense_replace is 48; expected an integer from 0 to 47"},
      {"mlp_layer_types", R"(["sparse"])", R"(expected "dense" some times, then "sparse", 47)"},
      {"mlp_layer_types", R"("dense")", R"(mlp_layer_types is "dense"; expected)"},
      {"rms_norm_eps", "0", "rms_norm_eps is 0; expected a number above"},
      {"rms_norm_eps", "1e-300", "rms_norm_eps is 1e-300; expected a number above"},
      {"rope_theta", "-1", "rope_theta is -1; expected a number above 1"},
      {"rope_theta", R"("1e6")", R"(rope_theta is "1e6"; expected a number above 1)"},
      {"routed_scaling_factor", "null", "routed_scaling_factor is null; expected a number"},
      {"norm_topk_prob", "1", "norm_topk_prob is 1; expected true or false."},
      {"tie_word_embeddings", R"("no")", R"(tie_word_embeddings is "no"; expected true or false.)"},
      {"dtype", R"("float8_e4m3fn")",
       R"(dtype is "float8_e4m3fn"; expected "bfloat16", "float16")"},
      {"eos_token_id", "154880", "eos_token_id is 154880; expected a token id, or a list of them"},
      {"eos_token_id", "[1, -1]", "eos_token_id is [1,-1]; expected a token id"},
      {"pad_token_id", "-1", "pad_token_id is -1; expected an integer from 0 to 154879."},
  };
  for (const auto& c : cases) {
    const std::string error = error_of(with(c.key, c.value));
    EXPECT_THAT(error, HasSubstr(c.sentence)) << c.key << " = " << c.value;
    EXPECT_THAT(error, StartsWith("config.json: ")) << c.key;
  }
}

// Every size: not a number, not whole, below and far above its range, beyond 64 bits.
TEST(Config, SizesOutOfRangeAreRefused) {
  for (const char* key :
       {"hidden_size", "intermediate_size", "moe_intermediate_size", "num_hidden_layers",
        "num_attention_heads", "q_lora_rank", "kv_lora_rank", "qk_nope_head_dim",
        "qk_rope_head_dim", "v_head_dim", "n_routed_experts", "n_shared_experts",
        "num_experts_per_tok", "max_position_embeddings", "vocab_size"}) {
    for (const char* value : {"-1", "2147483648", "9223372036854775808", "-9223372036854775808",
                              "123456789012345678901234567890", "1.5", "\"64\"", "null", "[]"}) {
      Json json = released();
      json[key] = 0;
      std::string text = json.dump();
      const std::string zero = cat('"', key, "\":0");
      text.replace(text.find(zero), zero.size(), cat('"', key, "\":", value));
      EXPECT_THAT(error_of(text),
                  StartsWith(cat("config.json: ", key, " is ", value, "; expected")));
    }
  }
}

TEST(Config, TextThatIsNoObjectIsRefused) {
  EXPECT_EQ(error_of("[1]"), "config.json: found array; expected a JSON object.");
  EXPECT_THAT(error_of(""), StartsWith("config.json: invalid JSON at byte 0"));
  EXPECT_THAT(error_of(R"({"vocab_size": 1e999})"), HasSubstr("number out of range"));
  EXPECT_THAT(error_of(R"({"vocab_size": )" + std::string(100'000, '[')),
              HasSubstr("nested deeper than 200 levels"));
  EXPECT_THAT(error_of("{}"), HasSubstr("model_type is absent; expected \"glm4_moe_lite\""));
  const Result<ModelConfig> no_file = load_config("/nowhere/config.json");
  ASSERT_FALSE(no_file);
  EXPECT_THAT(no_file.error().message, StartsWith("/nowhere/config.json: cannot be read."));
}

TEST(GenerationConfig, ReadsDefaultsAndRefusesWrongOnes) {
  const Result<GenerationConfig> read = parse_generation_config(
      R"({"eos_token_id": [1, 2], "temperature": 0, "top_p": 0.95, "top_k": 40, "min_p": null})",
      "g");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->eos_token_id, (std::vector<TokenId>{1, 2}));
  EXPECT_EQ(read->temperature, 0.0f);
  EXPECT_EQ(read->top_p, 0.95f);
  EXPECT_EQ(read->top_k, 40);
  EXPECT_FALSE(read->min_p || read->repetition_penalty);

  for (const char* text :
       {R"({"top_p": 0})", R"({"top_p": 1.5})", R"({"temperature": -1})", R"({"top_k": -2})",
        R"({"repetition_penalty": 0})", R"({"min_p": "a"})", R"({"eos_token_id": "</s>"})"}) {
    const Result<GenerationConfig> wrong = parse_generation_config(text, "g.json");
    ASSERT_FALSE(wrong) << text;
    const std::string key = std::string(text).substr(2, std::string(text).find('"', 2) - 2);
    EXPECT_THAT(wrong.error().message, StartsWith(cat("g.json: ", key, " is "))) << text;
  }
}

TEST(GenerationConfig, AMissingFileIsAnEmptyOne) {
  const TestFolder folder;
  const Result<GenerationConfig> none = load_generation_config(folder.path() / "none.json");
  ASSERT_TRUE(none);
  EXPECT_TRUE(none->eos_token_id.empty());
  ASSERT_TRUE(write_file(folder.path() / "some.json", R"({"top_k": 3})"));
  EXPECT_EQ((*load_generation_config(folder.path() / "some.json")).top_k, 3);
}

}  // namespace
}  // namespace glint
