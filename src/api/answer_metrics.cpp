#include "api/answer_metrics.h"

#include <algorithm>

namespace glint {
namespace {

void add(std::atomic<uint64_t>& counter, int n) {
  counter.fetch_add(static_cast<uint64_t>(n), std::memory_order_relaxed);
}

}  // namespace

void AnswerMetrics::add_choice(const GenerateRequest& request) {
  if (request.scores_prompt) return choices_.push_back({.counts = false});
  if (request.sampling.choice == 0) prompts_.emplace_back();
  ++prompts_.back().num_choices;
  choices_.push_back({.prompt = prompts_.size() - 1, .max_tokens = request.max_tokens});
}

void AnswerMetrics::observe(size_t index, const ChoiceDelta& delta, const RequestTimes& times) {
  Choice& choice = choices_[index];
  if (!choice.counts) return;
  choice.times = times;
  choice.usage = delta.usage;
  if (!choice.started && times.started_s > 0) start(choice);
  if (!delta.tokens.empty()) observe_tokens(choice, delta.tokens.size());
}

void AnswerMetrics::start(Choice& choice) {
  choice.started = true;
  metrics_.tokenize.observe(choice.times.submitted_s - received_s_);
  metrics_.queue.observe(choice.times.started_s - choice.times.submitted_s);
  add(metrics_.prompt_tokens_total, choice.usage.prompt_tokens);
  add(metrics_.cached_tokens_total, choice.usage.cached_tokens);
}

// Tokens that come together, because the client reads slowly, came evenly.
void AnswerMetrics::observe_tokens(Choice& choice, size_t num_tokens) {
  const double now_s = clock_.now_s();
  add(metrics_.generation_tokens_total, static_cast<int>(num_tokens));
  if (choice.last_token_s == 0) {
    metrics_.time_to_first_token.observe(now_s - received_s_);
    metrics_.prefill.observe(choice.times.first_token_s - choice.times.started_s);
  } else {
    const double gap_s = (now_s - choice.last_token_s) / static_cast<double>(num_tokens);
    metrics_.inter_token.observe(gap_s, num_tokens);
  }
  choice.last_token_s = now_s;
}

void AnswerMetrics::end(size_t index, FinishReason reason) {
  Choice& choice = choices_[index];
  if (!choice.counts) return;
  metrics_.ended[static_cast<size_t>(reason)].fetch_add(1, std::memory_order_relaxed);
  if (reason == FinishReason::kStop || reason == FinishReason::kLength) observe_whole(choice);
}

void AnswerMetrics::observe_whole(Choice& choice) {
  const Usage& usage = choice.usage;
  metrics_.request.observe(elapsed_s());
  metrics_.prompt_tokens.observe(usage.prompt_tokens);
  metrics_.generation_tokens.observe(usage.completion_tokens);
  metrics_.retractions.observe(usage.num_retractions);
  if (choice.max_tokens >= 0) metrics_.max_tokens.observe(choice.max_tokens);
  if (choice.times.first_token_s > 0) {
    metrics_.decode.observe(choice.times.last_token_s - choice.times.first_token_s);
    metrics_.inference.observe(choice.times.last_token_s - choice.times.started_s);
  }
  Prompt& prompt = prompts_[choice.prompt];
  prompt.longest = std::max(prompt.longest, usage.completion_tokens);
  if (++prompt.num_ended < prompt.num_choices) return;
  metrics_.num_choices.observe(prompt.num_choices);
  metrics_.longest_choice_tokens.observe(prompt.longest);
}

}  // namespace glint
