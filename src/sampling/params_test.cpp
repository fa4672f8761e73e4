#include "sampling/params.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>

namespace glint {
namespace {

std::string refusal(const std::function<void(SamplingParams&)>& change) {
  SamplingParams params;
  change(params);
  const auto result = validate(params, /*vocab_size=*/100);
  return result.has_value() ? "" : result.error().param + ": " + result.error().message;
}

TEST(SamplingParamsTest, EdgesAreValid) {
  EXPECT_EQ(refusal([](auto& p) { p.temperature = 0; }), "");
  EXPECT_EQ(refusal([](auto& p) { p.top_p = 1; }), "");
  EXPECT_EQ(refusal([](auto& p) { p.top_k = 1; }), "");
  EXPECT_EQ(refusal([](auto& p) { p.min_p = 1; }), "");
  EXPECT_EQ(refusal([](auto& p) { p.frequency_penalty = -2; }), "");
  EXPECT_EQ(refusal([](auto& p) { p.repetition_penalty = 2; }), "");
  EXPECT_EQ(refusal([](auto& p) { p.logit_bias = {{99, 100.0f}}; }), "");
}

TEST(SamplingParamsTest, RefusalsNameFieldAndRange) {
  EXPECT_EQ(refusal([](auto& p) { p.temperature = -1; }),
            "temperature: temperature is -1; it must be 0 or more.");
  EXPECT_EQ(refusal([](auto& p) { p.top_p = 0; }),
            "top_p: top_p is 0; it must be above 0 and at most 1.");
  EXPECT_EQ(refusal([](auto& p) { p.top_k = 0; }),
            "top_k: top_k is 0; it must be -1 (off) or at least 1.");
  EXPECT_EQ(refusal([](auto& p) { p.min_p = 1.5f; }),
            "min_p: min_p is 1.5; it must be from 0 to 1.");
  EXPECT_EQ(refusal([](auto& p) { p.frequency_penalty = 3; }),
            "frequency_penalty: frequency_penalty is 3; it must be from -2 to 2.");
  EXPECT_EQ(refusal([](auto& p) { p.presence_penalty = -3; }),
            "presence_penalty: presence_penalty is -3; it must be from -2 to 2.");
  EXPECT_EQ(refusal([](auto& p) { p.repetition_penalty = 0; }),
            "repetition_penalty: repetition_penalty is 0; it must be above 0 and at most 2.");
  EXPECT_EQ(refusal([](auto& p) { p.min_tokens = -1; }),
            "min_tokens: min_tokens is -1; it must be 0 or more.");
  EXPECT_EQ(refusal([](auto& p) {
              p.logit_bias = {{100, 1.0f}};
            }),
            "logit_bias: logit_bias names token 100; the vocabulary has ids 0 to 99.");
  EXPECT_EQ(refusal([](auto& p) { p.stop_token_ids = {-1}; }),
            "stop_token_ids: stop_token_ids names token -1; the vocabulary has ids 0 to 99.");
  EXPECT_EQ(
      refusal([](auto& p) {
        p.logprob_ids = {99, 100};
      }),
      "token_ids_logprob: token_ids_logprob names token 100; the vocabulary has ids 0 to 99.");
}

TEST(SamplingParamsTest, ListsHaveLimits) {
  EXPECT_EQ(refusal([](auto& p) { p.logit_bias.resize(kMaxLogitBiases); }), "");
  EXPECT_EQ(refusal([](auto& p) { p.logit_bias.resize(kMaxLogitBiases + 1); }),
            "logit_bias: logit_bias has 1025 token ids; at most 1024 are allowed.");
  EXPECT_EQ(refusal([](auto& p) { p.stop_token_ids.resize(kMaxStopTokenIds); }), "");
  EXPECT_EQ(refusal([](auto& p) { p.stop_token_ids.resize(kMaxStopTokenIds + 1); }),
            "stop_token_ids: stop_token_ids has 257 token ids; at most 256 are allowed.");
  EXPECT_EQ(refusal([](auto& p) { p.logprob_ids.resize(kMaxLogprobIds); }), "");
  EXPECT_EQ(refusal([](auto& p) { p.logprob_ids.resize(kMaxLogprobIds + 1); }),
            "token_ids_logprob: token_ids_logprob has 129 token ids; at most 128 are allowed.");
}

TEST(SamplingParamsTest, NanIsNeverInRange) {
  EXPECT_NE(refusal([](auto& p) { p.temperature = NAN; }), "");
  EXPECT_NE(refusal([](auto& p) { p.temperature = INFINITY; }), "");
  EXPECT_NE(refusal([](auto& p) { p.top_p = NAN; }), "");
  EXPECT_NE(refusal([](auto& p) { p.min_p = NAN; }), "");
  EXPECT_NE(refusal([](auto& p) { p.repetition_penalty = NAN; }), "");
}

}  // namespace
}  // namespace glint
