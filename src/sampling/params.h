#pragma once

// How the next token is chosen, and what is valid.

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/token_id.h"

namespace glint {

// Each running sequence has a block of this size where the backend samples.
inline constexpr int kMaxLogitBiases = 1024;
inline constexpr int kMaxStopTokenIds = 256;
inline constexpr int kMaxLogprobs = 20;
inline constexpr int kMaxLogprobIds = 128;

struct SamplingParams {
  float temperature = 1.0f;        // >= 0; below 1e-6: greedy
  float top_p = 1.0f;              // (0, 1]
  int top_k = -1;                  // -1: off; else >= 1
  float min_p = 0.0f;              // [0, 1], relative to the largest probability, after temperature
  float frequency_penalty = 0.0f;  // [-2, 2], on output tokens
  float presence_penalty = 0.0f;   // [-2, 2], on output tokens
  float repetition_penalty = 1.0f;                      // (0, 2], on output tokens
  std::vector<std::pair<TokenId, float>> logit_bias{};  // at most kMaxLogitBiases
  // Random numbers are a function of (seed, choice, position, draw) alone. The API draws a seed
  // where the request has none.
  uint64_t seed = 0;
  int choice = 0;  // which of a request's n answers
  // Ids that end the sequence, at most kMaxStopTokenIds; masked while fewer than min_tokens tokens
  // exist.
  std::vector<TokenId> stop_token_ids{};
  int min_tokens = 0;
  int num_logprobs = -1;  // -1: none; 0: the chosen token's; k: also the k most likely ones',
                          // at most kMaxLogprobs
  // With num_logprobs >= 0, of which ids it is wanted, too; at most kMaxLogprobIds, also twice.
  std::vector<TokenId> logprob_ids{};

  int num_logprob_ids() const {
    return num_logprobs < 0 ? 0 : static_cast<int>(logprob_ids.size());
  }
};

// kInvalidRequest with the field's name in `param`.
Result<void> validate(const SamplingParams& params, int vocab_size);

}  // namespace glint
