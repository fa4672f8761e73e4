#include "tests/sim/workload.h"

#include "tests/sim/fake_model_runner.h"

namespace glint::sim {
namespace {

TokenId random_id(Rng& rng) { return below(rng, one_in(rng, 100) ? kVocabSize : kVocabSize - 1); }

}  // namespace

SchedulerLimits random_limits(Rng& rng) {
  SchedulerLimits limits;
  limits.page_size = 1 << below(rng, 3);
  limits.num_pages = (16 + below(rng, 80)) / limits.page_size;
  limits.max_running_requests = 1 + below(rng, 6);
  limits.max_queued_requests = one_in(rng, 2) ? -1 : 1 + below(rng, 6);
  limits.chunked_prefill_size = one_in(rng, 4) ? -1 : 1 + below(rng, 16);
  limits.context_length = 12 + below(rng, 60);
  limits.prefix_cache = !one_in(rng, 6);
  limits.mixed_chunks = !one_in(rng, 4);
  limits.policy = static_cast<SchedulePolicy>(below(rng, 4));
  if (one_in(rng, 2)) limits.preemption_threshold = below(rng, 2);
  limits.conservativeness = below(rng, 3);
  if (one_in(rng, 4)) limits.max_prefill_tokens = 1 + below(rng, 16);
  if (one_in(rng, 2)) limits.max_alone_tokens = below(rng, 40);
  if (one_in(rng, 2)) limits.max_mixed_tokens = limits.max_running_requests + below(rng, 8);
  limits.cost = {.base_us = 10, .per_token_us = 1, .per_context_token_us = 0.1};
  limits.step_budget_us = one_in(rng, 2) ? 0 : 12 + below(rng, 30);
  return limits;
}

Workload::Workload(Rng& rng) : rng_(rng), prefixes_(3) {
  for (auto& prefix : prefixes_)
    for (int i = 0; i < 24; ++i) prefix.push_back(below(rng_, kVocabSize - 1));
}

GenerateRequest Workload::next_request(const SchedulerLimits& limits) {
  GenerateRequest request;
  const auto& prefix = prefixes_[static_cast<size_t>(below(rng_, 3))];
  std::vector<TokenId> prompt(prefix.begin(), prefix.begin() + below(rng_, 25));
  for (int i = below(rng_, 6); i >= 0; --i) prompt.push_back(random_id(rng_));
  request.prompt = std::move(prompt);
  request.max_tokens = one_in(rng_, 5) ? GenerateRequest::kMaxTokensUnset : below(rng_, 16);
  if (one_in(rng_, 20)) request.max_tokens = limits.context_length;  // does not fit
  // Requests of one seed repeat each other, so that generated pages are found again.
  request.sampling.seed = static_cast<uint64_t>(below(rng_, 3));
  while (request.sampling.stop_token_ids.size() < 2 && one_in(rng_, 2))
    request.sampling.stop_token_ids.push_back(below(rng_, kVocabSize - 1));
  request.priority = below(rng_, 3);
  request.cache_namespace = static_cast<uint64_t>(one_in(rng_, 4));
  request.use_prefix_cache = !one_in(rng_, 8);
  return request;
}

}  // namespace glint::sim
