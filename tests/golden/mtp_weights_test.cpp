// The MTP layer's embedding and head: its own where the checkpoint has them, else the model's.

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "backend/cpu/cpu_backend.h"
#include "model/weights.h"
#include "tests/support/tiny_checkpoint.h"

namespace glint {
namespace {

// Every element of a tensor is the same number, by its name. `own`: the MTP layer has copies.
class NamedSource final : public WeightSource {
 public:
  explicit NamedSource(bool own) : own_(own) {}

  bool has(std::string_view name) const override {
    return !name.ends_with("experts.gate_up_proj") && (own_ || !is_copy(name));
  }
  void read(std::string_view name, int64_t, int64_t count, NumberType type,
            void* to) const override {
    CHECK(type == NumberType::kF32, "FP32 is asked for");
    for (int64_t i = 0; i < count; ++i) static_cast<float*>(to)[i] = value_of(name);
  }

  static float value_of(std::string_view name) {
    if (name == "model.embed_tokens.weight") return 1;
    if (name == "lm_head.weight") return 2;
    if (is_copy(name)) return name.ends_with("embed_tokens.weight") ? 3.0f : 4.0f;
    return 0.5f;
  }

 private:
  static bool is_copy(std::string_view name) {
    return name.ends_with("shared_head.head.weight") ||
           (name.ends_with("embed_tokens.weight") && name.find("layers.") != name.npos);
  }
  bool own_;
};

float first_of(Backend& backend, const Matrix& matrix) {
  float value = 0;
  backend.download(&value, matrix.at(0, 0), sizeof value);
  return value;
}

TEST(MtpWeightsTest, ItsOwnEmbeddingAndHeadCountWhereTheCheckpointHasThem) {
  for (const bool own : {true, false}) {
    SCOPED_TRACE(own ? "own" : "shared");
    const auto backend = make_cpu_backend();
    ModelConfig config = tiny_config();
    config.num_nextn_predict_layers = 1;
    config.tie_word_embeddings = false;
    const auto weights = load_weights(*backend, config, NamedSource(own), NumberType::kF32,
                                      /*with_mtp=*/true, {});
    ASSERT_TRUE(weights) << weights.error().message;
    EXPECT_EQ(first_of(*backend, weights->embed_tokens), 1);
    EXPECT_EQ(first_of(*backend, weights->lm_head), 2);
    EXPECT_EQ(first_of(*backend, weights->mtp->embed_tokens), own ? 3 : 1);
    EXPECT_EQ(first_of(*backend, weights->mtp->shared_head), own ? 4 : 2);
  }
}

}  // namespace
}  // namespace glint
