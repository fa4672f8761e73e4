#include "sampling/slot_pool.h"

#include <algorithm>
#include <limits>
#include <type_traits>

#include "base/check.h"

namespace glint {
namespace {

// More resets than these in one step wait for the first ones' copies.
constexpr size_t kStagedSlots = 32;

static_assert(std::is_trivially_copyable_v<SampleSlot> && std::is_trivially_copyable_v<SlotLists>);

size_t bytes_of(int count, size_t bytes_each) { return static_cast<size_t>(count) * bytes_each; }

SampleSlot image_of(const SamplingParams& params) {
  SampleSlot image;
  image.temperature = params.temperature;
  image.top_p = params.top_p;
  image.top_k = params.top_k;
  image.min_p = params.min_p;
  image.repetition_penalty = params.repetition_penalty;
  image.frequency_penalty = params.frequency_penalty;
  image.presence_penalty = params.presence_penalty;
  image.seed = params.seed;
  image.choice = params.choice;
  image.min_tokens = params.min_tokens;
  image.num_logprobs = params.num_logprobs;
  return image;
}

void check_limit(const char* what, size_t size, int limit) {
  CHECK(size <= static_cast<size_t>(limit), size, " ", what, ", at most ", limit);
}

static_assert(kMaxTriggerIds <= std::numeric_limits<int16_t>::max());
IdRange id_range(size_t begin, size_t size) {
  return {.begin = static_cast<int16_t>(begin), .size = static_cast<int16_t>(size)};
}

}  // namespace

SlotPool::SlotPool(Backend& backend, int num_slots, int vocab_size)
    : backend_(backend),
      num_slots_(num_slots),
      vocab_size_(vocab_size),
      slots_(backend, bytes_of(num_slots, sizeof(SampleSlot))),
      lists_(backend, bytes_of(num_slots, sizeof(SlotLists))),
      counts_(backend, bytes_of(num_slots, bytes_of(vocab_size, sizeof(int32_t)))),
      staging_(backend, bytes_of(vocab_size, sizeof(int32_t)) +
                            kStagedSlots * (sizeof(SampleSlot) + sizeof(SlotLists) + 128)) {}

void SlotPool::reset(int slot, const SamplingParams& params, std::span<const Trigger> triggers,
                     std::span<const TokenId> output) {
  CHECK(slot >= 0 && slot < num_slots_, "slot ", slot, " of ", num_slots_);
  CHECK(params.num_logprobs <= kMaxLogprobs, params.num_logprobs, " log-probabilities a token");
  SampleSlot image = image_of(params);
  set_lists(image, slot, params);
  set_triggers(image, triggers);
  set_output(image, slot, output);
  staging_.upload(lists_at(slot), &lists_image_, sizeof(lists_image_));
  staging_.upload(slots() + slot, &image, sizeof(image));
}

void SlotPool::set_lists(SampleSlot& image, int slot, const SamplingParams& params) {
  check_limit("logit biases", params.logit_bias.size(), kMaxLogitBiases);
  check_limit("stop ids", params.stop_token_ids.size(), kMaxStopTokenIds);
  check_limit("ids with log-probabilities", params.logprob_ids.size(), kMaxLogprobIds);
  std::ranges::transform(params.logit_bias, lists_image_.biases.begin(), [](const auto& bias) {
    return SampleBias{.id = bias.first, .bias = bias.second};
  });
  image.biases = lists_at(slot)->biases.data();
  image.num_biases = static_cast<int>(params.logit_bias.size());
  std::ranges::copy(params.stop_token_ids, lists_image_.stop_ids.begin());
  image.stop_ids = {.data = lists_at(slot)->stop_ids.data(),
                    .size = static_cast<int>(params.stop_token_ids.size())};
  std::ranges::copy(params.logprob_ids, lists_image_.logprob_ids.begin());
  image.logprob_ids = {.data = lists_at(slot)->logprob_ids.data(),
                       .size = static_cast<int>(params.logprob_ids.size())};
}

void SlotPool::set_triggers(SampleSlot& image, std::span<const Trigger> triggers) {
  check_limit("triggers", triggers.size(), kMaxTriggers);
  num_trigger_ids_ = 0;
  for (const Trigger& trigger : triggers) {
    SampleTrigger& out = lists_image_.triggers[static_cast<size_t>(image.num_triggers++)];
    out = {};
    out.on_token = trigger.on_token.value_or(-1);
    out.after_tokens = trigger.after_tokens.value_or(-1);
    out.unless_seen = append_ids(trigger.unless_seen);
    out.forced = append_ids(trigger.forced_ids);
    out.choices = append_choices(trigger.one_of);
    out.repeats = trigger.repeats;
    out.holds_stop = trigger.holds_stop;
  }
}

IdRange SlotPool::append_ids(std::span<const TokenId> ids) {
  const size_t begin = num_trigger_ids_;
  check_limit("ids of triggers", begin + ids.size(), kMaxTriggerIds);
  std::ranges::copy(ids, lists_image_.trigger_ids.data() + begin);
  num_trigger_ids_ += ids.size();
  return id_range(begin, ids.size());
}

IdRange SlotPool::append_choices(const std::vector<std::vector<TokenId>>& sequences) {
  const ChoiceTree tree = make_choice_tree(sequences);
  const size_t first = num_trigger_ids_;
  append_ids(tree.ids);
  const auto placed = [&](const ChoiceTree::Node& node) {
    return id_range(first + static_cast<size_t>(node.begin), static_cast<size_t>(node.size));
  };
  std::ranges::transform(tree.after, lists_image_.trigger_nodes.data() + first, placed);
  return placed(tree.root);
}

// The op's own bookkeeping runs over the image here; then the image points to the backend's memory.
void SlotPool::set_output(SampleSlot& image, int slot, std::span<const TokenId> output) {
  const size_t counts_bytes = bytes_of(vocab_size_, sizeof(int32_t));
  const bool is_counted = image.has_penalties() && !output.empty();
  if (is_counted) {
    image.counts = static_cast<int32_t*>(staging_.reserve(counts_bytes));
    std::fill_n(image.counts, vocab_size_, 0);
  }
  image.triggers = lists_image_.triggers.data();
  image.trigger_ids = lists_image_.trigger_ids.data();
  image.trigger_nodes = lists_image_.trigger_nodes.data();
  update_triggers(image, /*id=*/-1);
  for (const TokenId id : output) note_token(image, id);
  image.triggers = lists_at(slot)->triggers.data();
  image.trigger_ids = lists_at(slot)->trigger_ids.data();
  image.trigger_nodes = lists_at(slot)->trigger_nodes.data();
  if (is_counted) backend_.upload_async(counts_at(slot), image.counts, counts_bytes);
  if (image.has_penalties() && !is_counted) backend_.zero(counts_at(slot), counts_bytes);
  image.counts = image.has_penalties() ? counts_at(slot) : nullptr;
}

}  // namespace glint
