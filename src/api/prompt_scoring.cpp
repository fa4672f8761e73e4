#include "api/prompt_scoring.h"

#include <algorithm>

namespace glint {

Result<void> check_scored(std::span<const TokenId> forced, std::string_view param,
                          const ServerContext& context) {
  const auto refuse = [&](std::string message) {
    return Error{ErrorCode::kInvalidRequest, std::move(message), std::string(param)};
  };
  if (forced.size() > kMaxScoredTokens)
    return refuse(cat(param, " asks for the log-probabilities of ", forced.size(),
                      " prompt tokens; at most ", kMaxScoredTokens, " are allowed."));
  const int num_tokens =
      context.tokenizer ? context.tokenizer->num_tokens() : context.config.vocab_size;
  const auto without = std::ranges::find_if(forced, [&](TokenId id) { return id >= num_tokens; });
  if (without == forced.end()) return {};
  return refuse(cat(param, " asks for the log-probability of ", *without,
                    ", which stands for no token; expected ids below ", num_tokens, "."));
}

GenerateRequest scoring_request(const SharedTokens& prompt, int num_logprobs,
                                const GenerationParams& params) {
  const std::span<const TokenId> ids = prompt;
  GenerateRequest request;
  request.prompt = {ids.front()};
  request.max_tokens = static_cast<int>(ids.size()) - 1;
  request.sampling.num_logprobs = num_logprobs;
  request.triggers = {{.after_tokens = 0, .forced_ids = {ids.begin() + 1, ids.end()}}};
  request.priority = params.priority;
  request.cache_namespace = params.cache_namespace;
  return request;
}

}  // namespace glint
