#pragma once

// Log-probabilities of a prompt's tokens. The engine gives those of what it answers, so it is made
// to answer the prompt: its first token, and all others forced, one a step.

#include <string_view>

#include "api/generation_params.h"
#include "api/server_context.h"
#include "base/result.h"
#include "engine/request.h"

namespace glint {

inline constexpr size_t kMaxScoredTokens = kMaxTriggerIds;

// kInvalidRequest about `param` if one of `ids` stands for no token.
Result<void> check_have_tokens(std::span<const TokenId> ids, std::string_view param,
                               const ServerContext& context);
// And if `forced` are too many for one sequence.
Result<void> check_scored(std::span<const TokenId> forced, std::string_view param,
                          const ServerContext& context);

// The request whose output tokens are `prompt`'s from the second on, which have passed
// check_scored(). `prompt` has at least two.
GenerateRequest scoring_request(const SharedTokens& prompt, int num_logprobs,
                                const GenerationParams& params);

}  // namespace glint
