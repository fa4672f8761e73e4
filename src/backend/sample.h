#pragma once

// The sample op: logits to token ids, one op over the batch, with all state that must act without
// the host's one step of delay.
//
// For every row, in this order:
//   bias → repetition, frequency, presence penalties → masks (ids without a token; stop ids before
//   min_tokens and while a trigger holds them; what triggers force or allow) → temperature → min_p
//   → top_k → top_p → draw
//
//   bias        x[id] += bias
//   penalties   of output tokens only, count c > 0: x = x > 0 ? x / repetition : x * repetition,
//               then x -= c * frequency + presence          (as SGLang and OpenAI's API reference)
//   greedy      temperature below kGreedyTemperature: the largest x, of equals the lowest id
//   min_p       keeps p >= min_p * max p, p = softmax(x / temperature)
//   top_k       keeps the k largest, of equals the lowest ids
//   top_p       keeps the fewest largest whose share of what min_p and top_k left reaches top_p
//   draw        Philox4x32-10, key = seed, counter = (choice, position, draw): the same number
//               whatever else is in the batch. Position counts output tokens from 0. Takes the
//               first id at which the sum of the weights left, by id, exceeds u times their total.
//
// Log-probabilities are of the model's own distribution: log softmax of the logits as they came, in
// FP32 or better, before bias, penalties, masks and temperature; ids without a token are left out.
//
// Pointers are to the backend's memory. The struct is plain so that a kernel can take it.

#include <array>
#include <cstdint>

#include "base/host_device.h"
#include "base/token_id.h"

namespace glint {

inline constexpr float kGreedyTemperature = 1e-6f;

struct TokenIds {
  const TokenId* data = nullptr;
  int size = 0;
};

struct SampleBias {
  TokenId id = 0;
  float bias = 0;
};

// Of a slot's trigger_ids.
struct IdRange {
  int16_t begin = 0;
  int16_t size = 0;
};

// sampling/trigger.h as the op keeps it. Absent ids and counts are -1.
struct SampleTrigger {
  TokenId on_token = -1;
  int after_tokens = -1;
  IdRange unless_seen;
  IdRange forced;
  IdRange choices;  // the first ids of one_of
  bool repeats = false;
  bool holds_stop = false;

  bool was_seen = false;  // one of unless_seen is among the output
  bool fired = false;
  bool done = false;  // all its tokens were given
  int num_given = 0;  // of `forced`
  IdRange node;       // what may come after those: `choices`, then what follows the id chosen
};

// Parameters and state of one running sequence. The op updates the state with every token.
struct SampleSlot {
  float temperature = 1.0f;
  float top_p = 1.0f;
  int top_k = -1;  // -1: off
  float min_p = 0.0f;
  float repetition_penalty = 1.0f;
  float frequency_penalty = 0.0f;
  float presence_penalty = 0.0f;
  uint64_t seed = 0;
  int choice = 0;
  int min_tokens = 0;
  int num_logprobs = -1;  // -1: none; 0: the chosen id's; k: the k largest ones' too
  TokenIds logprob_ids;   // and with num_logprobs >= 0 those of these
  TokenIds stop_ids;
  const SampleBias* biases = nullptr;  // [num_biases]
  int num_biases = 0;

  int num_output = 0;         // output tokens so far: the next one's position
  TokenId last_id = 0;        // of them, the last
  int32_t* counts = nullptr;  // [vocab_size], how often each id is among them; null where no
                              // penalty is on
  SampleTrigger* triggers = nullptr;  // [num_triggers]
  int num_triggers = 0;
  const TokenId* trigger_ids = nullptr;    // of all triggers
  const IdRange* trigger_nodes = nullptr;  // for each of those in one_of, what may follow it
  int active_trigger = -1;                 // the one whose tokens are being given

  GLINT_HOST_DEVICE bool has_penalties() const {
    return repetition_penalty != 1.0f || frequency_penalty != 0.0f || presence_penalty != 0.0f;
  }
  GLINT_HOST_DEVICE bool masks_stop_ids() const {
    if (num_output < min_tokens) return true;
    for (int i = 0; i < num_triggers; ++i)
      if (triggers[i].holds_stop && !triggers[i].done) return true;
    return false;
  }
};

struct SampleArgs {
  const float* logits = nullptr;  // [num_rows, vocab_size], not modified
  int num_rows = 0;
  int vocab_size = 0;
  int num_valid_tokens = 0;            // ids from here on have no token and are never chosen
  SampleSlot* slots = nullptr;         // of all running sequences
  const int32_t* row_slots = nullptr;  // [num_rows], indices into `slots`; rows of one slot are
                                       // adjacent and in order

  // Out. A row with a NaN or infinite logit among the valid ones is bad; its id is 0.
  TokenId* ids = nullptr;          // [num_rows]
  uint8_t* bad_numbers = nullptr;  // [num_rows]
  int max_logprobs = 0;            // the largest num_logprobs of the rows, at least 0
  float* logprobs = nullptr;       // [num_rows], of ids, where num_logprobs >= 0
  TokenId* top_ids =
      nullptr;  // [num_rows, max_logprobs], most likely first, of equals the lowest id;
  float* top_logprobs = nullptr;  // the first num_logprobs of a row are written
  int max_logprob_ids = 0;        // the largest logprob_ids.size of the rows
  float* id_logprobs = nullptr;   // [num_rows, max_logprob_ids], of the slot's logprob_ids in their
                                  // order, where num_logprobs >= 0; -infinity of no token's id
};

// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
GLINT_HOST_DEVICE inline std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter,
                                                            uint64_t key) {
  uint32_t k0 = static_cast<uint32_t>(key);
  uint32_t k1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53} * counter[0];
    const uint64_t b = uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<uint32_t>(b >> 32) ^ counter[1] ^ k0, static_cast<uint32_t>(b),
               static_cast<uint32_t>(a >> 32) ^ counter[3] ^ k1, static_cast<uint32_t>(a)};
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return counter;
}

// Uniform in (0, 1).
GLINT_HOST_DEVICE inline double sample_uniform(uint64_t seed, int choice, int position, int draw) {
  const auto random = philox4x32({static_cast<uint32_t>(choice), static_cast<uint32_t>(position),
                                  static_cast<uint32_t>(draw), 0},
                                 seed);
  return (random[0] + 0.5) * 0x1p-32;
}

// What the slot's next token must be: forced >= 0, or one of `allowed` if that is not empty, or
// anything.
struct SampleConstraint {
  TokenId forced = -1;
  TokenIds allowed;
};

GLINT_HOST_DEVICE inline SampleConstraint next_constraint(const SampleSlot& slot) {
  if (slot.active_trigger < 0) return {};
  const SampleTrigger& trigger = slot.triggers[slot.active_trigger];
  if (trigger.num_given < trigger.forced.size)
    return {.forced = slot.trigger_ids[trigger.forced.begin + trigger.num_given], .allowed = {}};
  return {.forced = -1,
          .allowed = {.data = slot.trigger_ids + trigger.node.begin, .size = trigger.node.size}};
}

GLINT_HOST_DEVICE inline int index_in(const SampleSlot& slot, IdRange range, TokenId id) {
  for (int i = range.begin; i < range.begin + range.size; ++i)
    if (slot.trigger_ids[i] == id) return i;
  return -1;
}

// Fires what is due and makes the first fired one active. Once when a slot is set up, then after
// every token. `id` is that token, or -1.
GLINT_HOST_DEVICE inline void update_triggers(SampleSlot& slot, TokenId id) {
  for (int i = 0; i < slot.num_triggers; ++i) {
    SampleTrigger& trigger = slot.triggers[i];
    if (id >= 0 && index_in(slot, trigger.unless_seen, id) >= 0) trigger.was_seen = true;
    if (trigger.was_seen || (trigger.fired && !(trigger.repeats && trigger.done))) continue;
    const bool on_token = id >= 0 && id == trigger.on_token;
    const bool on_count =
        !trigger.fired && trigger.after_tokens >= 0 && slot.num_output >= trigger.after_tokens;
    if (!on_token && !on_count) continue;
    trigger.fired = true;
    trigger.num_given = 0;
    trigger.node = trigger.choices;
    trigger.done = trigger.forced.size == 0 && trigger.choices.size == 0;
  }
  for (int i = 0; i < slot.num_triggers && slot.active_trigger < 0; ++i)
    if (slot.triggers[i].fired && !slot.triggers[i].done) slot.active_trigger = i;
}

// Counts `id` as the slot's next output token. Also replays the output of a sequence that resumes.
GLINT_HOST_DEVICE inline void note_token(SampleSlot& slot, TokenId id) {
  ++slot.num_output;
  slot.last_id = id;
  if (slot.counts != nullptr) ++slot.counts[id];
  if (slot.active_trigger >= 0) {
    SampleTrigger& trigger = slot.triggers[slot.active_trigger];
    if (trigger.num_given < trigger.forced.size) {
      ++trigger.num_given;
    } else {  // a row of bad numbers gives an id that is none of the choices, and its sequence ends
      const int chosen = index_in(slot, trigger.node, id);
      trigger.node = chosen < 0 ? IdRange{} : slot.trigger_nodes[chosen];
    }
    trigger.done = trigger.num_given == trigger.forced.size && trigger.node.size == 0;
    if (trigger.done) slot.active_trigger = -1;
  }
  update_triggers(slot, id);
}

}  // namespace glint
