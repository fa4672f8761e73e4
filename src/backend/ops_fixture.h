#pragma once

// Every op runs on every backend of its test program, in FP32 and BF16.

#include <ostream>

#include "backend/ops_harness.h"
#include "base/result.h"

namespace glint {

constexpr int kAlignedGap = 8;  // rows begin at multiples of 16 bytes, as the model's do

// A backend and the type of its numbers.
struct OpsCase {
  std::string name;
  NumberType type = NumberType::kF32;
  std::function<Result<std::unique_ptr<Backend>>()> make_backend;
};

// The test program's: cpu/ops_cases.cpp or cuda/ops_cases.cpp.
std::vector<OpsCase> ops_cases();
// The same, and ways in which a backend may attend prompts that cases of ops_cases() do not take.
std::vector<OpsCase> prompt_cases();

inline std::string case_name(const testing::TestParamInfo<OpsCase>& info) {
  return info.param.name;
}
inline void PrintTo(const OpsCase& ops_case, std::ostream* out) { *out << ops_case.name; }

class OpsTest : public testing::TestWithParam<OpsCase> {
 protected:
  static constexpr int kRounds = 8;  // of random shapes

  void SetUp() override {
    Result<std::unique_ptr<Backend>> backend = GetParam().make_backend();
    if (!backend) GTEST_SKIP() << backend.error().message;
    backend_ = std::move(*backend);
  }

  NumberType type() const { return GetParam().type; }
  // A backend with one path for any number of rows, which large cases would take minutes on.
  bool is_slow() const { return GetParam().name.find("Cuda") == std::string::npos; }
  Numbers numbers(int rows, int cols) { return {*backend_, type(), rows, cols}; }
  Numbers filled(int rows, int cols, float scale = 1, float shift = 0) {
    return std::move(numbers(rows, cols).fill(random_, scale, shift));
  }
  // Without gaps between the rows. Of a stack: [count * rows, cols], one below another.
  Numbers weights(int rows, int cols, float scale) {
    return std::move(Numbers(*backend_, type(), rows, cols, 0).fill(random_, scale));
  }
  Numbers filled_stack(int count, int rows, int cols, float scale) {
    return weights(count * rows, cols, scale);
  }
  Numbers floats(int rows, int cols) { return {*backend_, NumberType::kF32, rows, cols}; }
  // Weights that keep the size of what they multiply.
  static float weight_scale(int num_inputs) {
    return 1 / std::sqrt(static_cast<float>(num_inputs));
  }

  // The row rule: op(row, out) computes one row into out, as the whole batch did.
  void expect_same_alone(Numbers& batch, const std::vector<int>& rows,
                         const std::function<void(int, Matrix)>& op) {
    batch.download();
    for (const int r : rows) {
      Numbers alone(*backend_, batch.view().type, 1, batch.num_cols());
      op(r, alone.view());
      alone.download();
      EXPECT_TRUE(batch.same_row(r, alone, 0)) << "row " << r << " differs when alone";
    }
  }
  void expect_same_alone(Numbers& batch, const std::function<void(int, Matrix)>& op) {
    expect_same_alone(batch, all_rows(batch.num_rows()), op);
  }

  Random random_{42};
  std::unique_ptr<Backend> backend_;
};

}  // namespace glint
