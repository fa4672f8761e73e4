#include "sampling/slot_memory.h"

namespace glint {
namespace {

TokenIds view(const std::vector<TokenId>& ids) {
  return {.data = ids.data(), .size = static_cast<int>(ids.size())};
}

SampleTrigger view(const Trigger& trigger) {
  SampleTrigger out;
  out.on_token = trigger.on_token.value_or(-1);
  out.after_tokens = trigger.after_tokens.value_or(-1);
  out.unless_seen = trigger.unless_seen.value_or(-1);
  out.forced = view(trigger.forced_ids);
  out.allowed = view(trigger.allowed_ids);
  return out;
}

}  // namespace

void SlotMemory::reset(const SamplingParams& params, const std::vector<Trigger>& triggers,
                       std::span<const TokenId> output) {
  slot_ = {};
  set_params(params);
  set_triggers(triggers);
  seen_.clear();
  prepare(static_cast<int>(output.size()));
  for (const TokenId id : output) note_token(slot_, id);
}

void SlotMemory::set_params(const SamplingParams& params) {
  slot_.temperature = params.temperature;
  slot_.top_p = params.top_p;
  slot_.top_k = params.top_k;
  slot_.min_p = params.min_p;
  slot_.repetition_penalty = params.repetition_penalty;
  slot_.frequency_penalty = params.frequency_penalty;
  slot_.presence_penalty = params.presence_penalty;
  slot_.seed = params.seed;
  slot_.choice = params.choice;
  slot_.min_tokens = params.min_tokens;
  slot_.num_logprobs = params.num_logprobs;
  stop_ids_ = params.stop_token_ids;
  slot_.stop_ids = view(stop_ids_);
  biases_.clear();
  for (const auto& [id, bias] : params.logit_bias) biases_.push_back({.id = id, .bias = bias});
  slot_.biases = biases_.data();
  slot_.num_biases = static_cast<int>(biases_.size());
}

void SlotMemory::set_triggers(const std::vector<Trigger>& triggers) {
  trigger_lists_ = triggers;
  triggers_.clear();
  for (const Trigger& trigger : trigger_lists_) triggers_.push_back(view(trigger));
  slot_.triggers = triggers_.data();
  slot_.num_triggers = static_cast<int>(triggers_.size());
  update_triggers(slot_, /*id=*/-1);
}

SampleSlot* SlotMemory::prepare(int num_rows) {
  if (!slot_.has_penalties()) return &slot_;
  const size_t wanted = static_cast<size_t>(slot_.num_seen + num_rows);
  if (seen_.size() < wanted) seen_.resize(wanted + wanted / 2 + 64);
  slot_.seen = seen_.data();
  slot_.seen_capacity = static_cast<int>(seen_.size());
  return &slot_;
}

}  // namespace glint
