#include "engine/local_model_runner.h"

#include <algorithm>

#include "base/check.h"

namespace glint {

ModelOptions model_options(const SchedulerLimits& limits, NumberType compute) {
  ModelOptions options;
  options.compute = compute;
  options.page_size = limits.page_size;
  options.num_pages = limits.num_pages;
  options.max_batch_tokens = max_step_tokens(limits);
  options.max_batch_sequences = limits.max_running_requests;
  options.max_logit_rows = limits.max_running_requests;
  return options;
}

LocalModelRunner::LocalModelRunner(Backend& backend, Model model, int num_tokens)
    : backend_(backend),
      model_(std::move(model)),
      num_tokens_(num_tokens),
      worker_([this] { run_steps(); }) {}

LocalModelRunner::~LocalModelRunner() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  worker_.join();
}

Ticket LocalModelRunner::submit(StepInput input) {
  std::lock_guard lock(mutex_);
  waiting_.push_back(std::move(input));
  changed_.notify_all();
  return ++last_submitted_;
}

StepOutput LocalModelRunner::collect(Ticket ticket) {
  std::unique_lock lock(mutex_);
  CHECK(ticket == last_collected_ + 1 && ticket <= last_submitted_, "ticket ", ticket,
        " is not the next");
  changed_.wait(lock, [&] { return !done_.empty(); });
  StepOutput output = std::move(done_.front());
  done_.pop_front();
  ++last_collected_;
  return output;
}

// The worker thread. What was submitted before the end is still computed: someone may collect it.
void LocalModelRunner::run_steps() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return !waiting_.empty() || stopping_; });
    if (waiting_.empty()) return;
    StepInput input = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    StepOutput output = run_step(input);
    lock.lock();
    done_.push_back(std::move(output));
    changed_.notify_all();
  }
}

StepOutput LocalModelRunner::run_step(StepInput& input) {
  for (const SlotState& state : input.new_slots) {
    Slot& slot = slots_[state.slot];
    slot.memory.reset(state.params, state.triggers, state.output);
    slot.last_sampled = state.output.empty() ? 0 : state.output.back();
  }
  resolve_last_sampled(input.batch);
  sample(input.batch, model_.forward(input.batch));
  return output_of(input.batch);
}

void LocalModelRunner::resolve_last_sampled(Batch& batch) {
  for (const BatchSequence& sequence : batch.sequences) {
    const auto begin = batch.token_ids.begin() + sequence.token_begin;
    std::replace(begin, begin + sequence.extend_len, kSampledLastStep,
                 slots_.at(sequence.slot).last_sampled);
  }
}

void LocalModelRunner::sample(const Batch& batch, MatrixView<const float> logits) {
  sampled_.slots.clear();
  sampled_.max_logprobs = 0;
  for (const BatchSequence& sequence : batch.sequences) {
    if (sequence.num_logit_rows == 0) continue;
    SampleSlot* slot = slots_.at(sequence.slot).memory.prepare(sequence.num_logit_rows);
    sampled_.slots.insert(sampled_.slots.end(), static_cast<size_t>(sequence.num_logit_rows), slot);
    sampled_.max_logprobs = std::max(sampled_.max_logprobs, slot->num_logprobs);
  }
  const size_t rows = sampled_.slots.size();
  CHECK(logits.rows == static_cast<int>(rows), logits.rows, " rows of logits, expected ", rows);
  if (rows == 0) return;
  CHECK(logits.stride == logits.cols, "the rows of logits are not adjacent");
  sampled_.ids.resize(rows);
  sampled_.bad_numbers.resize(rows);
  sampled_.logprobs.resize(rows);
  sampled_.top_ids.resize(rows * static_cast<size_t>(sampled_.max_logprobs));
  sampled_.top_logprobs.resize(sampled_.top_ids.size());
  SampleArgs args;
  args.logits = logits.data;
  args.num_rows = logits.rows;
  args.vocab_size = logits.cols;
  args.num_valid_tokens = num_tokens_;
  args.slots = sampled_.slots.data();
  args.ids = sampled_.ids.data();
  args.bad_numbers = sampled_.bad_numbers.data();
  args.max_logprobs = sampled_.max_logprobs;
  args.logprobs = sampled_.logprobs.data();
  args.top_ids = sampled_.top_ids.data();
  args.top_logprobs = sampled_.top_logprobs.data();
  backend_.sample(args);
}

StepOutput LocalModelRunner::output_of(const Batch& batch) {
  StepOutput output;
  size_t row = 0;
  for (const BatchSequence& sequence : batch.sequences) {
    if (sequence.num_logit_rows == 0) continue;
    SampledTokens& sampled = output.sampled.emplace_back();
    for (int i = 0; i < sequence.num_logit_rows; ++i, ++row) {
      sampled.tokens.push_back(token_of(row));
      sampled.bad_numbers |= sampled_.bad_numbers[row] != 0;
    }
    slots_.at(sequence.slot).last_sampled = sampled.tokens.back().id;
  }
  return output;
}

OutputToken LocalModelRunner::token_of(size_t row) const {
  OutputToken token;
  token.id = sampled_.ids[row];
  const int num_logprobs = std::min(sampled_.slots[row]->num_logprobs, num_tokens_);
  if (num_logprobs < 0) return token;
  token.logprobs = TokenLogprobs{.chosen = sampled_.logprobs[row], .top = {}};
  for (size_t i = 0; i < static_cast<size_t>(num_logprobs); ++i) {
    const size_t at = row * static_cast<size_t>(sampled_.max_logprobs) + i;
    token.logprobs->top.emplace_back(sampled_.top_ids[at], sampled_.top_logprobs[at]);
  }
  return token;
}

}  // namespace glint
