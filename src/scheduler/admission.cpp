#include "scheduler/admission.h"

#include <algorithm>
#include <cstdint>
#include <string>

namespace glint {
namespace {

struct Bound {
  int64_t tokens;
  const char* name;
};

// The tighter of the two bounds on prompt + output.
Bound tighter_bound(const SchedulerLimits& limits) {
  const Bound pool{int64_t{limits.num_pages} * limits.page_size, "KV cache holds"};
  const Bound context{limits.context_length, "context allows"};
  return context.tokens <= pool.tokens ? context : pool;
}

std::string tokens(int count) { return cat(count, count == 1 ? " token" : " tokens"); }

Error prompt_too_long(int num_prompt_tokens, const Bound& bound) {
  return {
      ErrorCode::kInvalidRequest,
      cat("The prompt has ", tokens(num_prompt_tokens),
          " and needs room for at least one more: ", num_prompt_tokens + 1 - bound.tokens,
          " more than the ", bound.tokens, " this server's ", bound.name, ". Shorten the prompt."),
      "prompt"};
}

Error max_tokens_too_large(int num_prompt_tokens, int max_tokens, const Bound& bound) {
  return {
      ErrorCode::kInvalidRequest,
      cat("The prompt has ", tokens(num_prompt_tokens), " and max_tokens is ", max_tokens, ": ",
          int64_t{num_prompt_tokens} + max_tokens - bound.tokens, " more than the ", bound.tokens,
          " this server's ", bound.name, ". Shorten the prompt or lower max_tokens to ",
          bound.tokens - num_prompt_tokens, "."),
      "max_tokens"};
}

}  // namespace

Result<int> admitted_max_tokens(const SchedulerLimits& limits, int num_prompt_tokens,
                                int max_tokens) {
  if (num_prompt_tokens < 1)
    return Error{ErrorCode::kInvalidRequest, "The prompt has no tokens. Send at least one.",
                 "prompt"};
  const Bound bound = tighter_bound(limits);
  const int64_t room = bound.tokens - num_prompt_tokens;
  if (room < 1) return prompt_too_long(num_prompt_tokens, bound);
  if (max_tokens > room) return max_tokens_too_large(num_prompt_tokens, max_tokens, bound);
  return max_tokens < 0 ? static_cast<int>(room) : max_tokens;
}

int max_prompt_tokens(const SchedulerLimits& limits) {
  return static_cast<int>(tighter_bound(limits).tokens) - 1;
}

}  // namespace glint
