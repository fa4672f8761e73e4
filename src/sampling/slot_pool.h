#pragma once

// The sampling state of all running sequences, in the backend's memory: slot for slot a SampleSlot
// (backend/sample.h), the lists that it points to in a block of fixed size, and a table of counts.

#include <array>
#include <span>

#include "backend/sample.h"
#include "backend/staging.h"
#include "sampling/params.h"
#include "sampling/trigger.h"

namespace glint {

// What a SampleSlot points to, but for its counts.
struct SlotLists {
  std::array<SampleBias, kMaxLogitBiases> biases;
  std::array<TokenId, kMaxStopTokenIds> stop_ids;
  std::array<TokenId, kMaxLogprobIds> logprob_ids;
  std::array<SampleTrigger, kMaxTriggers> triggers;
  std::array<TokenId, kMaxTriggerIds> trigger_ids;    // of all triggers
  std::array<IdRange, kMaxTriggerIds> trigger_nodes;  // for those in one_of
};

class SlotPool {
 public:
  SlotPool(Backend& backend, int num_slots, int vocab_size);

  // Before a step's calls of reset().
  void begin_step() { staging_.begin_step(); }
  // A sequence starts in `slot`, or resumes after `output`: counts and triggers are as if each of
  // its tokens had been sampled here. Takes effect in the order of the backend's ops: a step that
  // was enqueued before still has the slot as it was. CHECKs the limits of params.h and trigger.h.
  void reset(int slot, const SamplingParams& params, std::span<const Trigger> triggers,
             std::span<const TokenId> output);

  SampleSlot* slots() const { return static_cast<SampleSlot*>(slots_.data()); }

 private:
  SlotLists* lists_at(int slot) const { return static_cast<SlotLists*>(lists_.data()) + slot; }
  int32_t* counts_at(int slot) const {
    return static_cast<int32_t*>(counts_.data()) + int64_t{slot} * vocab_size_;
  }
  void set_lists(SampleSlot& image, int slot, const SamplingParams& params);
  void set_triggers(SampleSlot& image, std::span<const Trigger> triggers);
  void set_output(SampleSlot& image, int slot, std::span<const TokenId> output);
  IdRange append_ids(std::span<const TokenId> ids);
  IdRange append_choices(const std::vector<std::vector<TokenId>>& sequences);

  Backend& backend_;
  const int num_slots_;
  const int vocab_size_;
  Buffer slots_, lists_, counts_;
  Staging staging_;
  SlotLists lists_image_{};     // what is uploaded next
  size_t num_trigger_ids_ = 0;  // in it
};

}  // namespace glint
