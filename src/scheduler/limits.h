#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

namespace glint {

enum class SchedulePolicy {
  kFcfs,      // first come, first served
  kLpm,       // longest cached prefix first
  kPriority,  // larger priority first, then first come
  kLof,       // longest output (max_tokens) first, then first come
};

// How long a step takes, fixed at start-up: no live timing in decisions, so that a schedule can be
// replayed. Time of a step = base + sum over its sequences of per_token * extend_len +
// per_context_token * extend_len * (cached_len + extend_len / 2), in microseconds.
struct CostTable {
  double base_us = 0;
  double per_token_us = 0;
  double per_context_token_us = 0;
};

struct SchedulerLimits {
  int page_size = 64;  // tokens
  int num_pages = 0;
  int max_running_requests = 256;   // sequences in one step
  int max_queued_requests = -1;     // -1: no limit
  int chunked_prefill_size = 8192;  // prompt tokens in one step; -1: whole prompts
  int max_prefill_tokens = 16384;   // the same of all prompts together; a whole one may be longer
  // A prompt that nobody runs or waits beside is computed in one step if it has so many rows left
  // at most, whatever the two limits above; 0: in chunks, as any.
  int max_alone_tokens = 0;
  // Rows of a step in which not all are a prompt's, whatever the limits above; 0: no limit.
  int max_mixed_tokens = 0;
  int context_length = 0;  // prompt + output tokens of one request
  bool prefix_cache = true;
  // Only rows that were computed in prompt form are shared, and only as rows of a prompt: where the
  // two forms differ in bits, a request then has the same ones whatever is cached.
  bool share_prompt_rows_only = false;
  bool mixed_chunks = true;  // decode and prefill in one step
  SchedulePolicy policy = SchedulePolicy::kFcfs;
  bool low_priority_values_first = false;
  // A waiting sequence whose priority is higher by more than this takes the place of a running one
  // when there is none for it; nothing: it waits. Under kPriority.
  std::optional<int> preemption_threshold{};
  // Pages that must stay free for each running sequence when another starts: more make it wait
  // longer and let fewer give way.
  double conservativeness = 1.0;
  // Beside decodes, prompt chunks are cut so that the step stays within this time by `cost`; 0: no
  // budget.
  double step_budget_us = 0;
  CostTable cost;
};

// The most prompt rows of one step that others wait for or share; without chunks, one whole
// prompt's.
inline int max_chunk_tokens(const SchedulerLimits& limits) {
  return limits.chunked_prefill_size > 0
             ? std::min(limits.chunked_prefill_size, limits.max_prefill_tokens)
             : limits.context_length;
}
// The most prompt rows of one step.
inline int max_step_prompt_tokens(const SchedulerLimits& limits) {
  const int alone = std::min(limits.max_alone_tokens, limits.context_length);
  return std::max(max_chunk_tokens(limits), alone);
}
// The most rows of one step: what the model must have room for.
inline int max_step_tokens(const SchedulerLimits& limits) {
  return max_step_prompt_tokens(limits) + limits.max_running_requests;
}

}  // namespace glint
