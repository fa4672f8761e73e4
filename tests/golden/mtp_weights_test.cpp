// The MTP layer's embedding and head: its own where the checkpoint has them, else the model's.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "backend/cpu/cpu_backend.h"
#include "model/weights.h"
#include "tests/golden/golden_model.h"
#include "tests/support/test_folder.h"
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
  bool is_bf16(std::string_view) const override { return false; }
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

// Moves every row of a table up by one, in a copy of a recorded folder: row i is what row i + 1
// was.
void rotate_rows(const std::filesystem::path& folder, const std::string& name) {
  const auto path = folder / "model.safetensors";
  std::string bytes;
  size_t begin = 0, row_bytes = 0;
  {
    const auto file = MappedFile::open(path);
    CHECK(file.has_value(), file.error().message);
    const auto tensors = parse_safetensors(file->bytes(), path.string());
    CHECK(tensors.has_value(), tensors.error().message);
    const auto table =
        std::ranges::find_if(*tensors, [&](const Tensor& tensor) { return tensor.name == name; });
    CHECK(table != tensors->end(), "no ", name);
    begin = static_cast<size_t>(table->data.data() - file->bytes().data());
    row_bytes = table->data.size() / static_cast<size_t>(table->shape[0]);
    const auto* data = reinterpret_cast<const char*>(table->data.data());
    bytes.assign(data + row_bytes, table->data.size() - row_bytes);
    bytes.append(data, row_bytes);
  }
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(begin));
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  CHECK(file.good(), "cannot write ", path.string());
}

class OwnTablesTest : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Mtp, OwnTablesTest, testing::Values("flash", "odd", "plain"),
                         [](const auto& shape) { return std::string(shape.param); });

// The recorded folders have tables of its own that equal the model's. With its own moved by one
// row, ids moved by one give the recorded logits again, moved by one column; with the model's
// tables they would not.
TEST_P(OwnTablesTest, TheMtpLayerComputesWithItsOwnTables) {
  constexpr float kTolerance = 2e-5f;  // as in golden_test.cpp
  const Golden golden(GetParam());
  const TestFolder test;
  const auto folder = test.path() / "model";
  std::filesystem::copy(golden.folder(), folder);
  const int mtp = GoldenModel(golden.folder(), NumberType::kF32, MlaForm::kAbsorbed)
                      .model()
                      .config()
                      .num_hidden_layers;
  rotate_rows(folder, cat("model.layers.", mtp, ".embed_tokens.weight"));
  rotate_rows(folder, cat("model.layers.", mtp, ".shared_head.head.weight"));
  GoldenModel ours(folder, NumberType::kF32, MlaForm::kAbsorbed);
  const int vocab_size = ours.model().config().vocab_size;

  const std::vector<TokenId> ids = golden.ids("input_ids");
  std::vector<TokenId> next(ids.begin() + 1, ids.end());
  for (TokenId& id : next) id = (id + vocab_size - 1) % vocab_size;
  ours.forward(ids, 0, RowForm::kPrompt);
  const HostMatrix logits = ours.forward_mtp(next, 0, RowForm::kPrompt);

  const auto recorded = golden.matrix("mtp_logits");
  ASSERT_EQ(logits.rows(), recorded.rows);
  for (int r = 0; r < recorded.rows; ++r) {
    const float* expected = recorded.data + r * recorded.stride;
    float largest = 0, error = 0;
    for (int c = 0; c < vocab_size; ++c) {
      largest = std::max(largest, std::abs(expected[c]));
      const float ours_c = logits.row(r)[(c + vocab_size - 1) % vocab_size];
      // Not std::max, which may pass over NaN.
      if (!(std::abs(ours_c - expected[c]) <= error)) error = std::abs(ours_c - expected[c]);
    }
    ASSERT_LE(error, kTolerance * largest) << "row " << r;
  }
}

}  // namespace
}  // namespace glint
