#include "sampling/params.h"

#include <cmath>
#include <string>

namespace glint {
namespace {

Error invalid(const char* param, const std::string& message) {
  return {ErrorCode::kInvalidRequest, message, param};
}

// NaN fails every comparison, and so every check.
Result<void> check_range(const char* param, float value, float low, float high) {
  if (value >= low && value <= high) return {};
  return invalid(param, cat(param, " is ", value, "; it must be from ", low, " to ", high, "."));
}

Result<void> check_above_zero(const char* param, float value, float high) {
  if (value > 0 && value <= high) return {};
  return invalid(param, cat(param, " is ", value, "; it must be above 0 and at most ", high, "."));
}

Result<void> check_id(const char* param, TokenId id, int vocab_size) {
  if (id >= 0 && id < vocab_size) return {};
  return invalid(param, cat(param, " names token ", id, "; the vocabulary has ids 0 to ",
                            vocab_size - 1, "."));
}

Result<void> check_count(const char* param, size_t count, int limit) {
  if (count <= static_cast<size_t>(limit)) return {};
  return invalid(param, cat(param, " has ", count, " token ids; at most ", limit, " are allowed."));
}

Result<void> check_ids(const SamplingParams& params, int vocab_size) {
  TRY(check_count("logit_bias", params.logit_bias.size(), kMaxLogitBiases));
  TRY(check_count("stop_token_ids", params.stop_token_ids.size(), kMaxStopTokenIds));
  TRY(check_count("token_ids_logprob", params.logprob_ids.size(), kMaxLogprobIds));
  for (const auto& [id, bias] : params.logit_bias) {
    TRY(check_id("logit_bias", id, vocab_size));
    if (!(bias >= -100 && bias <= 100))
      return invalid("logit_bias", cat("logit_bias of token ", id, " is ", bias,
                                       "; it must be from -100 to 100."));
  }
  for (const TokenId id : params.stop_token_ids) TRY(check_id("stop_token_ids", id, vocab_size));
  for (const TokenId id : params.logprob_ids) TRY(check_id("token_ids_logprob", id, vocab_size));
  return {};
}

}  // namespace

Result<void> validate(const SamplingParams& params, int vocab_size) {
  if (!(params.temperature >= 0) || std::isinf(params.temperature))
    return invalid("temperature",
                   cat("temperature is ", params.temperature, "; it must be 0 or more."));
  TRY(check_above_zero("top_p", params.top_p, 1));
  if (params.top_k != -1 && params.top_k < 1)
    return invalid("top_k", cat("top_k is ", params.top_k, "; it must be -1 (off) or at least 1."));
  TRY(check_range("min_p", params.min_p, 0, 1));
  TRY(check_range("frequency_penalty", params.frequency_penalty, -2, 2));
  TRY(check_range("presence_penalty", params.presence_penalty, -2, 2));
  TRY(check_above_zero("repetition_penalty", params.repetition_penalty, 2));
  if (params.min_tokens < 0)
    return invalid("min_tokens",
                   cat("min_tokens is ", params.min_tokens, "; it must be 0 or more."));
  return check_ids(params, vocab_size);
}

}  // namespace glint
