#pragma once

// Every op runs on every backend that this machine has, in FP32 and BF16.

#include "backend/cpu/cpu_backend.h"
#include "backend/ops_harness.h"

namespace glint {

struct OpsCase {
  const cpu::Kernels* kernels;
  int num_threads;
  NumberType type;
};

inline std::vector<OpsCase> ops_cases() {
  std::vector<OpsCase> cases;
  for (const cpu::Kernels* kernels : cpu::available_kernels())
    for (const NumberType type : {NumberType::kF32, NumberType::kBf16})
      cases.push_back({kernels, cases.size() % 4 < 2 ? 3 : 1, type});
  return cases;
}

inline std::string case_name(const testing::TestParamInfo<OpsCase>& info) {
  std::string name(info.param.kernels->name);
  std::erase_if(name, [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); });
  return name + (info.param.type == NumberType::kF32 ? "F32" : "Bf16");
}

class OpsTest : public testing::TestWithParam<OpsCase> {
 protected:
  static constexpr int kRounds = 8;  // of random shapes

  NumberType type() const { return GetParam().type; }
  Numbers numbers(int rows, int cols) { return {*backend_, type(), rows, cols}; }
  Numbers filled(int rows, int cols, float scale = 1, float shift = 0) {
    return std::move(numbers(rows, cols).fill(random_, scale, shift));
  }
  // [count, rows, cols] without gaps, one below another.
  Numbers filled_stack(int count, int rows, int cols, float scale) {
    return std::move(Numbers(*backend_, type(), count * rows, cols, 0).fill(random_, scale));
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
  std::unique_ptr<Backend> backend_ =
      std::make_unique<CpuBackend>(GetParam().num_threads, *GetParam().kernels);
};

}  // namespace glint
