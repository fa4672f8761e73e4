#include "tests/sim/fake_model_runner.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace glint::sim {
namespace {

uint64_t mix(uint64_t hash, uint64_t value) {
  hash = (hash ^ value) * 0x9E3779B97F4A7C15;
  return hash ^ (hash >> 29);
}

}  // namespace

TokenId next_token(std::span<const TokenId> context, const SamplingParams& params, int position) {
  uint64_t hash = mix(params.seed, static_cast<uint64_t>(position) + 1);
  for (const TokenId id : context) hash = mix(hash, static_cast<uint64_t>(id) + 3);
  return static_cast<TokenId>(mix(hash, 7) % kVocabSize);
}

FakeModelRunner::FakeModelRunner(const SchedulerLimits& limits, uint64_t seed, Report report)
    : num_pages_(limits.num_pages),
      page_size_(limits.page_size),
      max_step_tokens_(max_step_tokens(limits)),
      max_mixed_tokens_(limits.max_mixed_tokens),
      report_(std::move(report)),
      rng_(seed),
      rows_(static_cast<size_t>(limits.num_pages * limits.page_size), kNeverWritten),
      written_(rows_.size(), 0),
      slots_(static_cast<size_t>(limits.max_running_requests)) {}

Ticket FakeModelRunner::submit(StepInput input) {
  waiting_.push_back(std::move(input));
  if (waiting_.size() > 2) report_("more than two steps are in flight");
  if (rng_() % 2 == 0) run_waiting();
  return ++last_submitted_;
}

StepOutput FakeModelRunner::collect(Ticket ticket) {
  if (ticket != ++last_collected_) report_(cat("ticket ", ticket, " collected out of order"));
  if (done_.empty()) run_waiting();
  StepOutput output = std::move(done_.front());
  done_.pop_front();
  return output;
}

void FakeModelRunner::run_waiting() {
  for (const StepInput& input : std::exchange(waiting_, {})) done_.push_back(run(input));
}

StepOutput FakeModelRunner::run(const StepInput& input) {
  ++num_run_;
  for (const SlotState& state : input.new_slots)
    slots_.at(static_cast<size_t>(state.slot)) = {
        .in_use = true,
        .params = state.params,
        .num_prompt_tokens = state.num_prompt_tokens,
        .num_output = static_cast<int>(state.output.size())};
  check_size(input.batch);
  StepOutput output;
  std::vector<BatchSequence> sound;
  for (const BatchSequence& sequence : input.batch.sequences)
    if (check_sequence(input.batch, sequence)) sound.push_back(sequence);
  for (const BatchSequence& sequence : sound) write_rows(input.batch, sequence);
  for (const BatchSequence& sequence : input.batch.sequences) {
    if (sequence.num_logit_rows == 0) continue;
    const bool is_sound = std::ranges::count(sound, sequence.slot, &BatchSequence::slot) > 0;
    output.sampled.push_back(is_sound ? sample(input.batch, sequence)
                                      : SampledTokens{.tokens = {{}}, .bad_numbers = false});
  }
  return output;
}

// A model that computes large steps in blocks has room for the prompts' rows alone.
void FakeModelRunner::check_size(const Batch& batch) const {
  const bool is_mixed = std::ranges::any_of(batch.sequences, [](const BatchSequence& sequence) {
    return sequence.form != RowForm::kPrompt;
  });
  if (std::ssize(batch.token_ids) > max_step_tokens_)
    report_(cat("a step of ", batch.token_ids.size(), " rows; at most ", max_step_tokens_));
  if (is_mixed && max_mixed_tokens_ > 0 && std::ssize(batch.token_ids) > max_mixed_tokens_)
    report_(cat("a step of ", batch.token_ids.size(), " rows is not of prompts alone"));
}

// Reports what a model could not compute, and keeps the fake from touching it.
bool FakeModelRunner::check_sequence(const Batch& batch, const BatchSequence& sequence) {
  const auto refuse = [&](const std::string& what) {
    report_(cat("a batch's sequence in slot ", sequence.slot, " ", what));
    return false;
  };
  if (sequence.slot < 0 || sequence.slot >= static_cast<int>(slots_.size()))
    return refuse("is in no slot");
  const Slot& slot = slots_[static_cast<size_t>(sequence.slot)];
  if (!slot.in_use) return refuse("has no sampling state");
  if (std::ranges::count(batch.sequences, sequence.slot, &BatchSequence::slot) > 1)
    return refuse("is there twice");
  if (sequence.extend_len < 1) return refuse("has nothing to compute");
  const int end = sequence.cached_len + sequence.extend_len;
  if (sequence.num_pages * page_size_ < end) return refuse("has too few pages");
  for (int i = 0; i < sequence.num_pages; ++i) {
    const PageId page = batch.pages[static_cast<size_t>(sequence.page_begin + i)];
    if (page < 0 || page >= num_pages_) return refuse(cat("has page ", page));
  }
  const RowForm form =
      sequence.cached_len < slot.num_prompt_tokens ? RowForm::kPrompt : RowForm::kDecode;
  const bool one_form = form == RowForm::kDecode || end <= slot.num_prompt_tokens;
  if (form != sequence.form || !one_form) return refuse("is marked with the wrong form");
  return true;
}

size_t FakeModelRunner::row_index(const Batch& batch, const BatchSequence& sequence,
                                  int position) const {
  const PageId page = batch.pages[static_cast<size_t>(sequence.page_begin + position / page_size_)];
  return static_cast<size_t>(page * page_size_ + position % page_size_);
}

void FakeModelRunner::write_rows(const Batch& batch, const BatchSequence& sequence) {
  for (int i = 0; i < sequence.extend_len; ++i) {
    TokenId id = batch.token_ids[static_cast<size_t>(sequence.token_begin + i)];
    if (id == kSampledLastStep) id = slots_[static_cast<size_t>(sequence.slot)].last_sampled;
    if (id < 0) report_(cat("slot ", sequence.slot, " feeds a token that was never sampled"));
    const size_t row = row_index(batch, sequence, sequence.cached_len + i);
    if (written_[row] == num_run_)
      report_(cat("page ", static_cast<int>(row) / page_size_, " is written by two sequences"));
    written_[row] = num_run_;
    rows_[row] = id;
  }
}

SampledTokens FakeModelRunner::sample(const Batch& batch, const BatchSequence& sequence) {
  Slot& slot = slots_[static_cast<size_t>(sequence.slot)];
  std::vector<TokenId> context;
  for (int position = 0; position < sequence.cached_len + sequence.extend_len; ++position)
    context.push_back(rows_[row_index(batch, sequence, position)]);
  SampledTokens sampled;
  sampled.bad_numbers = std::ranges::count(context, kPoison) > 0;
  OutputToken token;
  token.id = next_token(context, slot.params, slot.num_output++);
  slot.last_sampled = token.id;
  sampled.tokens.push_back(token);
  return sampled;
}

TokenId FakeModelRunner::row(int32_t page, int offset) const {
  return rows_[static_cast<size_t>(page * page_size_ + offset)];
}

int FakeModelRunner::computed_rows(int slot, int cached_len) const {
  for (const StepInput& input : waiting_)
    for (const BatchSequence& sequence : input.batch.sequences)
      if (sequence.slot == slot) cached_len = std::min(cached_len, sequence.cached_len);
  return cached_len;
}

}  // namespace glint::sim
