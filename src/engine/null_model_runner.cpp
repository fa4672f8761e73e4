#include "engine/null_model_runner.h"

#include <algorithm>

#include "backend/sample.h"
#include "base/check.h"

namespace glint {

NullModelRunner::NullModelRunner(int num_tokens) : num_tokens_(num_tokens) {}

void NullModelRunner::set_slot(const SlotState& state) {
  const auto slot = static_cast<size_t>(state.slot);
  if (slot >= slots_.size()) slots_.resize(slot + 1);
  slots_[slot] = {.seed = state.params.seed,
                  .choice = state.params.choice,
                  .position = static_cast<int>(state.output.size()),
                  .num_logprobs = state.params.num_logprobs,
                  .num_logprob_ids = state.params.num_logprob_ids()};
}

OutputToken NullModelRunner::next_token(Slot& slot) const {
  const double u = sample_uniform(slot.seed, slot.choice, slot.position++, /*draw=*/0);
  OutputToken token;
  token.id = std::min(static_cast<TokenId>(u * num_tokens_), num_tokens_ - 1);
  if (slot.num_logprobs < 0) return token;
  token.logprobs.emplace();
  for (int i = 0; i < std::min(slot.num_logprobs, num_tokens_); ++i)
    token.logprobs->top.emplace_back((token.id + i) % num_tokens_, 0.0f);
  token.logprobs->of_ids.resize(static_cast<size_t>(slot.num_logprob_ids));
  return token;
}

Ticket NullModelRunner::submit(StepInput input) {
  for (const SlotState& state : input.new_slots) set_slot(state);
  StepOutput output;
  for (const BatchSequence& sequence : input.batch.sequences) {
    if (sequence.num_logit_rows == 0) continue;
    SampledTokens& sampled = output.sampled.emplace_back();
    for (int row = 0; row < sequence.num_logit_rows; ++row)
      sampled.tokens.push_back(next_token(slots_[static_cast<size_t>(sequence.slot)]));
  }
  done_.emplace_back(++last_ticket_, std::move(output));
  return last_ticket_;
}

StepOutput NullModelRunner::collect(Ticket ticket) {
  CHECK(!done_.empty() && done_.front().first == ticket, "ticket ", ticket, " is not the next");
  StepOutput output = std::move(done_.front().second);
  done_.pop_front();
  return output;
}

}  // namespace glint
