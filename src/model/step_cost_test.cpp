#include "model/step_cost.h"

#include <gtest/gtest.h>

#include "tests/support/tiny_checkpoint.h"

namespace glint {
namespace {

double step_us(const StepCost& cost, double sequences, double cached_len, double extend_len) {
  const double context = cached_len + extend_len / 2;
  return cost.base_us +
         sequences * extend_len * (cost.per_token_us + cost.per_context_token_us * context);
}

constexpr char kH100[] = "NVIDIA H100 80GB HBM3";

// Within a tenth of docs/performance.md: a schedule needs no more, and the formula has no less.
TEST(StepCost, IsWhatGpusTook) {
  const StepCost h100 = gpu_step_cost(glm_4_7_flash_config(), kH100);
  EXPECT_NEAR(step_us(h100, 64, 640, 1), 24'600, 2'460);
  EXPECT_NEAR(step_us(h100, 1, 0, 1024), 38'600, 3'860);
  EXPECT_NEAR(step_us(h100, 1, 0, 8192), 183'000, 18'300);
  const StepCost h200 = gpu_step_cost(glm_4_7_flash_config(), "NVIDIA H200");
  EXPECT_NEAR(step_us(h200, 64, 640, 1), 16'600, 1'660);
  EXPECT_NEAR(step_us(h200, 1, 0, 1024), 31'400, 3'140);
  EXPECT_NEAR(step_us(h200, 1, 0, 8192), 163'600, 16'360);
}

TEST(StepCost, OfAGpuThatWasNotMeasuredFollowsItsDataSheet) {
  const ModelConfig config = glm_4_7_flash_config();
  const StepCost h100 = gpu_step_cost(config, kH100);
  const StepCost pcie = gpu_step_cost(config, "NVIDIA H100 PCIe");
  EXPECT_NEAR(pcie.base_us, h100.base_us * 3.35 / 2.0, 1e-6 * pcie.base_us);
  EXPECT_NEAR(pcie.per_token_us, h100.per_token_us * 989 / 756, 1e-6 * pcie.per_token_us);
}

TEST(StepCost, AnUnknownGpuCountsAsAnH100) {
  const ModelConfig config = glm_4_7_flash_config();
  for (const char* name : {"", "NVIDIA B200"}) {
    EXPECT_EQ(gpu_step_cost(config, name).base_us, gpu_step_cost(config, kH100).base_us);
    EXPECT_EQ(gpu_step_cost(config, name).per_token_us, gpu_step_cost(config, kH100).per_token_us);
  }
}

TEST(StepCost, FollowsTheModel) {
  ModelConfig small = glm_4_7_flash_config();
  const StepCost full = gpu_step_cost(small, kH100);
  small.num_hidden_layers = 24;
  const StepCost half = gpu_step_cost(small, kH100);
  EXPECT_LT(half.base_us, 0.6 * full.base_us);
  EXPECT_NEAR(half.per_context_token_us, full.per_context_token_us * 24 / 47, 1e-9);
}

}  // namespace
}  // namespace glint
