#pragma once

// Log-probabilities of a prompt's tokens. The engine gives those of what it answers, so it is made
// to answer the prompt: from its beginning on, what follows is forced, one token a step.

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

// The request whose output tokens are ids[begin] to ids[end - 1], which have tokens; 0 < begin <
// end, and at most kMaxScoredTokens of them.
GenerateRequest scoring_request(std::span<const TokenId> ids, size_t begin, size_t end,
                                int num_logprobs, const GenerationParams& params);

}  // namespace glint
