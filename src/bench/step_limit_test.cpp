#include "bench/step_limit.h"

#include <gtest/gtest.h>

#include "model/memory_plan.h"

namespace glint {
namespace {

const GpuLimits& h100() { return *find_limits("NVIDIA H100 80GB HBM3"); }

// One row reads every weight but the experts that it did not choose: 2.4 ms at 3.1 TB/s.
TEST(DecodeLimit, OfOneRowIsTheWeightsItReads) {
  EXPECT_NEAR(decode_limit_ms(glm_4_7_flash_config(), h100(), 1, 1), 2.35, 0.1);
}

TEST(DecodeLimit, OfManyRowsReadsAllWeightsAndEachRowsContext) {
  const ModelConfig config = glm_4_7_flash_config();
  const double weights_ms =
      static_cast<double>(weights_bytes(config, 2, /*with_mtp=*/false)) / 3.10e12 * 1e3;
  const double short_ms = decode_limit_ms(config, h100(), 256, 1);
  EXPECT_GT(short_ms, 0.95 * weights_ms);
  EXPECT_LT(short_ms, 1.10 * weights_ms);
  const double kv_ms =
      256.0 * 4096 * static_cast<double>(kv_bytes_per_token(config, 2, false)) / 3.10e12 * 1e3;
  EXPECT_NEAR(decode_limit_ms(config, h100(), 256, 4097) - short_ms, kv_ms, 0.01 * kv_ms);
}

}  // namespace
}  // namespace glint
