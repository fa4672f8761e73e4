#pragma once

// What any API asks of the engine: ids and numbers, no text.

#include <cstdint>
#include <vector>

#include "base/token_id.h"
#include "sampling/params.h"
#include "sampling/trigger.h"
#include "scheduler/shared_tokens.h"

namespace glint {

using RequestId = uint64_t;

struct GenerateRequest {
  SharedTokens prompt;  // at least one id
  // Output tokens at most. kMaxTokensUnset: as many as context and pool allow. 0: prefill only.
  static constexpr int kMaxTokensUnset = -1;
  int max_tokens = kMaxTokensUnset;
  SamplingParams sampling;
  std::vector<Trigger> triggers;
  int priority = 0;              // higher first, under --schedule-policy priority
  uint64_t cache_namespace = 0;  // prefixes are shared only within one
  bool use_prefix_cache = true;
  bool scores_prompt = false;  // says a prompt's own tokens: not one of the requests in /metrics
};

}  // namespace glint
