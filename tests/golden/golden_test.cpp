// Our model against transformers' glm4_moe_lite (tools/record_golden.py).

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <random>

#include "base/json.h"
#include "tests/golden/golden_model.h"

namespace glint {
namespace {

// Of the largest number in a row. transformers in FP32 is 3e-6 from itself in FP64, and we from it;
// the latent norms' epsilon as transformers has it would show as 2.6e-5 to 3e-3.
constexpr float kTolerance = 2e-5f;

struct GoldenCase {
  const char* shape;
  MlaForm form;
};

std::string name_of(const GoldenCase& golden) {
  return cat(golden.shape, golden.form == MlaForm::kAbsorbed ? "Absorbed" : "Expanded");
}
void PrintTo(const GoldenCase& golden, std::ostream* out) { *out << name_of(golden); }

std::string case_name(const testing::TestParamInfo<GoldenCase>& info) {
  return name_of(info.param);
}

class GoldenTest : public testing::TestWithParam<GoldenCase> {
 protected:
  Golden golden_{GetParam().shape};
  GoldenModel ours_{golden_.folder(), NumberType::kF32, GetParam().form};
};

constexpr GoldenCase kCases[] = {{"flash", MlaForm::kAbsorbed}, {"flash", MlaForm::kExpanded},
                                 {"odd", MlaForm::kAbsorbed},   {"odd", MlaForm::kExpanded},
                                 {"plain", MlaForm::kAbsorbed}, {"plain", MlaForm::kExpanded}};
INSTANTIATE_TEST_SUITE_P(Fp32, GoldenTest, testing::ValuesIn(kCases), case_name);

// The largest difference in units of the largest number of its row.
float worst_error(const HostMatrix& ours, const MatrixView<const float>& golden) {
  CHECK(ours.rows() == golden.rows && ours.cols == golden.cols, ours.rows(), " rows");
  float worst = 0;
  for (int r = 0; r < golden.rows; ++r) {
    const float* expected = golden.data + r * golden.stride;
    float largest = 0, difference = 0;
    for (int c = 0; c < golden.cols; ++c) {
      largest = std::max(largest, std::abs(expected[c]));
      // Not std::max, which may pass over NaN.
      const float error = std::abs(ours.row(r)[c] - expected[c]);
      if (!(error <= difference)) difference = error;
    }
    if (!(difference / largest <= worst)) worst = difference / largest;
  }
  return worst;
}

TEST_P(GoldenTest, EveryLayerAndTheLogitsAgree) {
  const HostMatrix logits = ours_.forward(golden_.ids("input_ids"), 0, RowForm::kPrompt);
  const std::vector<HostMatrix> layers = ours_.take_layers();
  ASSERT_EQ(layers.size(), static_cast<size_t>(ours_.model().config().num_hidden_layers));
  for (size_t i = 0; i < layers.size(); ++i)
    EXPECT_LE(worst_error(layers[i], golden_.matrix(cat("hidden.", i))), kTolerance)
        << "layer " << i;
  EXPECT_LE(worst_error(logits, golden_.matrix("logits")), kTolerance);
}

TEST_P(GoldenTest, GreedyTokensAreEqual) {
  const std::vector<TokenId> prompt = golden_.ids("greedy_prompt");
  const std::vector<TokenId> expected = golden_.ids("greedy_ids");
  ASSERT_EQ(expected.size(), 64u);
  HostMatrix logits = ours_.forward(prompt, 0, RowForm::kPrompt);
  std::vector<TokenId> ids;
  while (true) {
    const float* last = logits.row(logits.rows() - 1);
    ids.push_back(static_cast<TokenId>(std::max_element(last, last + logits.cols) - last));
    if (ids.size() == expected.size()) break;
    const int cached_len = static_cast<int>(prompt.size() + ids.size()) - 1;
    logits = ours_.forward({ids.back()}, cached_len, RowForm::kDecode);
  }
  EXPECT_EQ(ids, expected);
}

TEST_P(GoldenTest, MtpLogitsAgree) {
  const std::vector<TokenId> ids = golden_.ids("input_ids");
  ours_.forward(ids, 0, RowForm::kPrompt);
  const HostMatrix logits = ours_.forward_mtp({ids.begin() + 1, ids.end()}, 0, RowForm::kPrompt);
  EXPECT_LE(worst_error(logits, golden_.matrix("mtp_logits")), kTolerance);
}

// Chunks of random sizes; `mixed`: chunks of one row as decode rows.
void expect_chunks_equal_whole(GoldenModel& ours, const std::vector<TokenId>& ids, bool mixed,
                               unsigned seed) {
  const HostMatrix whole = ours.forward(ids, 0, RowForm::kPrompt);
  const HostMatrix whole_mtp = ours.forward_mtp({ids.begin() + 1, ids.end()}, 0, RowForm::kPrompt);
  std::mt19937 random(seed);
  HostMatrix chunked, chunked_mtp;
  for (size_t begin = 0; begin + 1 < ids.size();) {
    const size_t size = std::min(ids.size() - 1 - begin, size_t{random() % 19 + 1});
    const auto first = ids.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto last = first + static_cast<std::ptrdiff_t>(size);
    const RowForm form = mixed && size == 1 ? RowForm::kDecode : RowForm::kPrompt;
    const int cached_len = static_cast<int>(begin);
    chunked.append(ours.forward({first, last}, cached_len, form));
    chunked_mtp.append(ours.forward_mtp({first + 1, last + 1}, cached_len, form));
    begin += size;
  }
  EXPECT_TRUE(std::equal(chunked.values.begin(), chunked.values.end(), whole.values.begin()));
  EXPECT_EQ(chunked_mtp.values, whole_mtp.values);
}

TEST_P(GoldenTest, ChunksEqualTheWholeBitForBit) {
  // In the absorbed form decode rows have the same arithmetic.
  const bool mixed = GetParam().form == MlaForm::kAbsorbed;
  for (unsigned seed = 0; seed < 4; ++seed)
    expect_chunks_equal_whole(ours_, golden_.ids("input_ids"), mixed, seed);
}

// Appends the mean squared difference of every row.
void append_errors(const HostMatrix& a, const HostMatrix& b, std::vector<double>& errors) {
  for (int r = 0; r < a.rows(); ++r) {
    double sum = 0;
    for (int c = 0; c < a.cols; ++c) {
      const double error = double{a.row(r)[c]} - b.row(r)[c];
      sum += error * error;
    }
    errors.push_back(sum / a.cols);
  }
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + std::ssize(values) / 2;
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

std::string shape_name(const testing::TestParamInfo<const char*>& info) { return info.param; }

class Bf16Test : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Bf16, Bf16Test, testing::Values("flash", "odd", "plain"), shape_name);

Json recorded_errors(const std::string& shape) {
  std::ifstream file(std::string(GLINT_SOURCE_DIR) + "/tests/golden/bf16_error.json");
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  const Result<Json> json = parse_json(text);
  CHECK(json.has_value(), json.error().message);
  return json->at(shape);
}

TEST_P(Bf16Test, RoundsNoWorseThanTransformers) {
  const Golden golden(GetParam());
  GoldenModel exact(golden.folder(), NumberType::kF32, MlaForm::kAbsorbed);
  GoldenModel rounded(golden.folder(), NumberType::kBf16, MlaForm::kAbsorbed);
  const int num_seeds = golden.matrix("bf16_ids").rows;
  ASSERT_GE(num_seeds * golden.matrix("bf16_ids").cols, 1000);
  std::vector<double> errors;
  for (int seed = 0; seed < num_seeds; ++seed) {
    const std::vector<TokenId> ids = golden.ids("bf16_ids", seed);
    append_errors(rounded.forward(ids, 0, RowForm::kPrompt),
                  exact.forward(ids, 0, RowForm::kPrompt), errors);
  }
  const double mean =
      std::accumulate(errors.begin(), errors.end(), 0.0) / static_cast<double>(errors.size());
  const Json recorded = recorded_errors(GetParam());
  EXPECT_LE(std::sqrt(mean), 1.05 * recorded["rms_logit_error"].get<double>());
  // Positions where no expert changed, which the mean hardly sees.
  EXPECT_LE(std::sqrt(median(errors)), 1.05 * recorded["median_position_error"].get<double>());
}

}  // namespace
}  // namespace glint
