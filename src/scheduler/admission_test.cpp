#include "scheduler/admission.h"

#include <gtest/gtest.h>

namespace glint {
namespace {

SchedulerLimits limits_of(int num_pages, int context_length) {
  SchedulerLimits limits;
  limits.page_size = 64;
  limits.num_pages = num_pages;
  limits.context_length = context_length;
  return limits;
}

TEST(AdmissionTest, UnsetMaxTokensIsWhatContextAndPoolLeave) {
  EXPECT_EQ(*admitted_max_tokens(limits_of(100, 1000), 400, -1), 600);
  EXPECT_EQ(*admitted_max_tokens(limits_of(10, 1000), 400, -1), 240);
}

TEST(AdmissionTest, ExactlyFullFits) {
  EXPECT_EQ(*admitted_max_tokens(limits_of(100, 1000), 400, 600), 600);
  EXPECT_EQ(*admitted_max_tokens(limits_of(100, 1000), 999, -1), 1);
}

TEST(AdmissionTest, RefusalShowsTheSum) {
  const auto over = admitted_max_tokens(limits_of(100, 1000), 400, 650);
  EXPECT_EQ(over.error().code, ErrorCode::kInvalidRequest);
  EXPECT_EQ(over.error().param, "max_tokens");
  EXPECT_EQ(over.error().message,
            "The prompt has 400 tokens and max_tokens is 650: 50 more than the 1000 this server's "
            "context allows. Shorten the prompt or lower max_tokens to 600.");
  EXPECT_TRUE(admitted_max_tokens(limits_of(100, 1000), 1, 1000)
                  .error()
                  .message.starts_with("The prompt has 1 token and max_tokens is 1000: 1 more"));
  const auto prompt = admitted_max_tokens(limits_of(10, 1000), 640, -1);
  EXPECT_EQ(prompt.error().param, "prompt");
  EXPECT_EQ(prompt.error().message,
            "The prompt has 640 tokens and needs room for at least one more: 1 more than the 640 "
            "this server's KV cache holds. Shorten the prompt.");
  EXPECT_EQ(admitted_max_tokens(limits_of(10, 1000), 0, -1).error().message,
            "The prompt has no tokens. Send at least one.");
}

// Prefill only needs a place for the token that it samples and drops.
TEST(AdmissionTest, ZeroMaxTokensNeedsRoomForOne) {
  EXPECT_EQ(*admitted_max_tokens(limits_of(100, 1000), 999, 0), 0);
  EXPECT_FALSE(admitted_max_tokens(limits_of(100, 1000), 1000, 0).has_value());
}

}  // namespace
}  // namespace glint
