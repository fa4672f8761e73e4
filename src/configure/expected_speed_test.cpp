#include "configure/expected_speed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace glint {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

constexpr char kH100[] = "NVIDIA H100 80GB HBM3", kH200[] = "NVIDIA H200";

ExpectedSpeed on(const char* gpu, int rows, int context) {
  return *expected_speed(glm_4_7_flash_config(), gpu, rows, context);
}

// What was measured is expected where it was measured.
TEST(ExpectedSpeed, GivesBackTheMeasurementsOfTheH100) {
  EXPECT_NEAR(on(kH100, 1, 640).step_ms, 4.74, 1e-6);
  EXPECT_NEAR(on(kH100, 16, 640).step_ms, 16.5, 1e-6);
  EXPECT_NEAR(on(kH100, 64, 640).step_ms, 24.6, 1e-6);
  EXPECT_NEAR(on(kH100, 100, 640).step_ms, 26.0, 1e-6);
  // 8,192 tokens in one chunk took 183 ms, 32,768 in four 1,391.
  EXPECT_NEAR(on(kH100, 1, 8192).first_token_ms, 183, 18);
  EXPECT_NEAR(on(kH100, 1, 32'768).first_token_ms, 1391, 209);
}

TEST(ExpectedSpeed, GivesBackTheMeasurementsOfTheH200) {
  EXPECT_NEAR(on(kH200, 1, 640).step_ms, 2.90, 1e-6);
  EXPECT_NEAR(on(kH200, 16, 640).step_ms, 10.62, 1e-6);
  EXPECT_NEAR(on(kH200, 64, 640).step_ms, 16.20, 1e-6);
  EXPECT_NEAR(on(kH200, 100, 640).step_ms, 17.01, 1e-6);
}

TEST(ExpectedSpeed, MoreRequestsAreSlowerEachAndFasterTogether) {
  ExpectedSpeed before = on(kH100, 1, 4096);
  for (int rows = 2; rows <= 512; rows = rows * 3 / 2) {
    const ExpectedSpeed now = on(kH100, rows, 4096);
    EXPECT_GT(now.step_ms, before.step_ms) << rows;
    EXPECT_GT(now.tokens_per_s(), before.tokens_per_s()) << rows;
    EXPECT_LT(now.tokens_per_s(), now.limit_tokens_per_s()) << rows;
    before = now;
  }
}

TEST(ExpectedSpeed, SaysHowManyDecode) {
  EXPECT_THAT(on(kH100, 1, 640).conditions,
              Contains("1 request decodes, and attends to 640 tokens; no prompt is computed beside "
                       "it. BF16, no speculation."));
  EXPECT_THAT(on(kH100, 16, 640).conditions,
              Contains(HasSubstr("16 requests decode at once, each attends to 640 tokens; ")));
}

TEST(ExpectedSpeed, SaysWhatWasNotMeasured) {
  EXPECT_THAT(on(kH100, 16, 640).conditions, Not(Contains(HasSubstr("not been"))));
  EXPECT_THAT(on(kH100, 101, 640).conditions, Contains(HasSubstr("More than 100 requests")));
  EXPECT_THAT(on(kH200, 16, 640).conditions, Not(Contains(HasSubstr("not been"))));
  EXPECT_LT(on(kH200, 16, 640).step_ms, on(kH100, 16, 640).step_ms);
  EXPECT_FALSE(expected_speed(glm_4_7_flash_config(), "NVIDIA B200", 16, 640));
}

// Decoding is bound by memory: 4.0 TB/s where the H100 has 3.35.
TEST(ExpectedSpeed, OfAGpuThatWasNotMeasuredFollowsItsDataSheet) {
  const ExpectedSpeed gh200 = on("NVIDIA GH200 480GB", 1, 640);
  EXPECT_NEAR(gh200.step_ms, on(kH100, 1, 640).step_ms * 3.35 / 4.0, 1e-6);
  EXPECT_THAT(gh200.conditions,
              Contains(HasSubstr("at 3.70 TB/s or its FLOPs at 660 TFLOP/s, 93 % and 67 % of its "
                                 "data sheet's, which one NVIDIA H100 80GB HBM3 was measured")));
  EXPECT_THAT(gh200.conditions, Contains(HasSubstr("reached, in proportion to the data sheets.")));
  EXPECT_THAT(gh200.conditions, Contains(HasSubstr("glint has not been timed on NVIDIA GH200")));
}

}  // namespace
}  // namespace glint
