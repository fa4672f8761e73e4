#include "bench/op_cost.h"

#include <gtest/gtest.h>

#include "bench/op_limits.h"
#include "bench/op_list.h"
#include "model/config.h"

namespace glint {
namespace {

StepSize decode(int rows, int context) {
  return {StepForm::kDecode, rows, context, 1 + expected_experts_hit(rows, 64, 4)};
}

OpCost step_cost(const StepSize& size) {
  const ModelConfig config = glm_4_7_flash_config();
  OpCost sum;
  for (const BenchOp& op : all_bench_ops()) {
    if (!op.is_in(size.form, MlaForm::kExpanded)) continue;
    const OpCost cost = op.cost(config, size);
    sum.bytes += op.calls(config) * cost.bytes;
    sum.flops += op.calls(config) * cost.flops;
  }
  return sum;
}

TEST(OpCost, CountsALinearLayer) {
  const OpCost cost = linear_cost(/*rows=*/3, /*in=*/5, /*out=*/7);
  EXPECT_EQ(cost.bytes, 2 * (5 * 7 + 3 * 5 + 3 * 7));
  EXPECT_EQ(cost.flops, 2 * 3 * 5 * 7);
  EXPECT_EQ(linear_cost(3, 5, 7, 4).bytes - cost.bytes, 2 * 3 * 7);
}

TEST(OpCost, CountsGateAndUp) {
  const OpCost cost = swiglu_cost(/*rows=*/3, /*in=*/5, /*width=*/7);
  EXPECT_EQ(cost.bytes, 2 * (2 * 5 * 7 + 3 * 5 + 3 * 7));
  EXPECT_EQ(cost.flops, 2 * 3 * 5 * 14);
}

TEST(OpCost, CountsExpertsThatRowsChose) {
  EXPECT_EQ(expected_experts_hit(1, 64, 4), 4);
  EXPECT_NEAR(expected_experts_hit(16, 64, 4), 41.2, 0.05);
  StepSize size = decode(2, 1);
  size.experts_hit = 7;
  const ModelConfig c = glm_4_7_flash_config();
  const double expert = 2.0 * 2 * 1536 * 2048;
  EXPECT_EQ(moe_gate_up_cost(c, size).bytes, 7 * expert + 2 * 2 * (2048 + 5 * 1536));
  EXPECT_EQ(moe_gate_up_cost(c, size).flops, 2 * 5 * expert);
  EXPECT_EQ(moe_down_cost(c, size).bytes, 7 * expert / 2 + 2 * 2 * 5 * (1536 + 2048));
  EXPECT_EQ(moe_down_cost(c, size).flops, 2 * 5 * expert / 2);
  EXPECT_EQ(moe_combine_cost(c, size).bytes, 2 * 2 * 2048 * 6);
  EXPECT_EQ(moe_combine_add_rms_norm_cost(c, size).bytes, 2 * 2 * 2048 * 8);
}

TEST(OpCost, CountsEachKvRowOnceForItsSequence) {
  const ModelConfig c = glm_4_7_flash_config();
  const OpCost cost = attend_cost(c, decode(3, 1000));
  EXPECT_EQ(cost.bytes, 3 * (1000 * 1152 + 2 * 20 * (576 + 512)));
  EXPECT_EQ(cost.flops, 3.0 * 1000 * 2 * 20 * (576 + 512));
}

TEST(OpCost, CountsAPromptBelowTheDiagonal) {
  const ModelConfig c = glm_4_7_flash_config();
  const OpCost cost = attend_expanded_cost(c, {StepForm::kPrefill, 1000, 1000});
  const double weights = 20.0 * 512 * (192 + 256);
  EXPECT_EQ(cost.flops, 500.5 * 1000 * 2 * 20 * 512 + 2 * 1000 * weights);
  EXPECT_EQ(cost.bytes, 1000 * 1152 + 2 * weights + 2.0 * 1000 * 20 * 512);
}

// From the parameter counts: 3.579e9 are active in a token. What is left are activations: under
// 1 MB for each of 47 layers.
TEST(OpCost, ADecodeStepReadsTheModelsWeights) {
  const OpCost one = step_cost(decode(1, 1));
  EXPECT_GT(one.bytes, 2 * 3'579'314'176.0);
  EXPECT_LT(one.bytes, 2 * 3'579'314'176.0 + 47e6);
  EXPECT_NEAR(one.flops, 2 * 3'579'314'176.0, 0.001 * one.flops);
  EXPECT_NEAR(step_cost(decode(16, 1)).bytes, 39.47e9, 0.01 * 39.47e9);
}

TEST(OpCost, AContextAddsItsRows) {
  const OpCost near = step_cost(decode(4, 1)), far = step_cost(decode(4, 1001));
  EXPECT_DOUBLE_EQ(far.bytes - near.bytes, 4 * 1000.0 * 47 * 1152);
  EXPECT_DOUBLE_EQ(far.flops - near.flops, 4 * 1000.0 * 47 * 2 * 20 * (576 + 512));
}

TEST(OpLimits, AreTheLongerOfBytesAndFlops) {
  const GpuLimits* h100 = find_limits("NVIDIA H100 80GB HBM3");
  ASSERT_NE(h100, nullptr);
  EXPECT_DOUBLE_EQ(h100->microseconds({.bytes = 3.1e6, .flops = 1}), 1);
  EXPECT_DOUBLE_EQ(h100->microseconds({.bytes = 1, .flops = 660e6}), 1);
  EXPECT_EQ(find_limits("NVIDIA H100 PCIe"), nullptr);
  EXPECT_EQ(find_limits(""), nullptr);
}

}  // namespace
}  // namespace glint
