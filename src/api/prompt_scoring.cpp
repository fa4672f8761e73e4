#include "api/prompt_scoring.h"

#include <algorithm>

namespace glint {

Result<void> check_have_tokens(std::span<const TokenId> ids, std::string_view param,
                               const ServerContext& context) {
  const int num_tokens =
      context.tokenizer ? context.tokenizer->num_tokens() : context.config.vocab_size;
  const auto without = std::ranges::find_if(ids, [&](TokenId id) { return id >= num_tokens; });
  if (without == ids.end()) return {};
  return Error{ErrorCode::kInvalidRequest,
               cat(param, " asks for the log-probability of ", *without,
                   ", which stands for no token; expected ids below ", num_tokens, "."),
               std::string(param)};
}

Result<void> check_scored(std::span<const TokenId> forced, std::string_view param,
                          const ServerContext& context) {
  if (forced.size() <= kMaxScoredTokens) return check_have_tokens(forced, param, context);
  return Error{ErrorCode::kInvalidRequest,
               cat(param, " asks for the log-probabilities of ", forced.size(),
                   " prompt tokens; at most ", kMaxScoredTokens, " are allowed."),
               std::string(param)};
}

GenerateRequest scoring_request(std::span<const TokenId> ids, size_t begin, size_t end,
                                int num_logprobs, const GenerationParams& params) {
  const auto at = [&](size_t i) { return ids.begin() + static_cast<ptrdiff_t>(i); };
  GenerateRequest request;
  request.prompt = std::vector<TokenId>(ids.begin(), at(begin));
  request.max_tokens = static_cast<int>(end - begin);
  request.sampling.num_logprobs = num_logprobs;
  request.triggers = {{.after_tokens = 0, .forced_ids = {at(begin), at(end)}}};
  request.priority = params.priority;
  request.cache_namespace = params.cache_namespace;
  request.scores_prompt = true;
  return request;
}

}  // namespace glint
