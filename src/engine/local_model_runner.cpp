#include "engine/local_model_runner.h"

#include <algorithm>

#include "base/check.h"
#include "model/memory_plan.h"

namespace glint {
namespace {

static_assert(sizeof(SampleSlot) + sizeof(SlotLists) <= kSampleSlotBytes, "as planned");

int place_of(Ticket ticket) { return static_cast<int>(ticket % SampleOutputs::kInFlight); }

// `num_top` -1: without log-probabilities.
OutputToken token_of(const SampledRows& rows, int row, int num_top, int max_logprobs) {
  OutputToken token;
  token.id = rows.ids[row];
  if (num_top < 0) return token;
  token.logprobs = TokenLogprobs{.chosen = rows.logprobs[row], .top = {}};
  for (int at = row * max_logprobs; num_top > 0; ++at, --num_top)
    token.logprobs->top.emplace_back(rows.top_ids[at], rows.top_logprobs[at]);
  return token;
}

}  // namespace

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
      slots_(backend, model_.options().max_batch_sequences, model_.config().vocab_size),
      num_logprobs_(static_cast<size_t>(model_.options().max_batch_sequences), -1),
      outputs_(backend, model_.options().max_logit_rows) {
  prepare();
  worker_ = std::thread([this] { enqueue_steps(); });
}

LocalModelRunner::~LocalModelRunner() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  worker_.join();
}

// All that the largest step needs is allocated before the first request.
void LocalModelRunner::prepare() {
  slots_.begin_step();
  slots_.reset(0, {}, {}, {});
  const MatrixView<const float> logits = model_.prepare(slots_.slots());
  if (logits.rows == 0) return;
  Enqueued step;
  step.num_rows = logits.rows;
  sample(logits, step);
  backend_.seal();
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
  changed_.wait(lock, [&] { return last_enqueued_ >= ticket; });
  lock.unlock();  // the worker goes on while the backend is waited for
  StepOutput output = output_of(place_of(ticket));
  lock.lock();
  last_collected_ = ticket;
  changed_.notify_all();
  return output;
}

// The worker thread. A third step finds no place for its outputs until the first is collected.
void LocalModelRunner::enqueue_steps() {
  std::unique_lock lock(mutex_);
  const auto has_work = [&] {
    return !waiting_.empty() && last_enqueued_ - last_collected_ < SampleOutputs::kInFlight;
  };
  for (;;) {
    changed_.wait(lock, [&] { return has_work() || stopping_; });
    if (stopping_) return;
    const StepInput input = std::move(waiting_.front());
    waiting_.pop_front();
    const Ticket ticket = last_enqueued_ + 1;
    lock.unlock();
    enqueue(input, place_of(ticket));
    lock.lock();
    last_enqueued_ = ticket;
    changed_.notify_all();
  }
}

void LocalModelRunner::enqueue(const StepInput& input, int place) {
  reset_slots(input.new_slots);
  Enqueued& step = steps_[static_cast<size_t>(place)];
  note_rows(input.batch, step);
  sample(model_.forward(input.batch, slots_.slots()), step);
  outputs_.download(place, step.num_rows, step.max_logprobs);
}

void LocalModelRunner::reset_slots(const std::vector<SlotState>& states) {
  slots_.begin_step();
  for (const SlotState& state : states) {
    slots_.reset(state.slot, state.params, state.triggers, state.output);
    num_logprobs_[static_cast<size_t>(state.slot)] = state.params.num_logprobs;
  }
}

void LocalModelRunner::note_rows(const Batch& batch, Enqueued& step) const {
  step.sequences.clear();
  step.num_rows = step.max_logprobs = 0;
  for (const BatchSequence& sequence : batch.sequences) {
    if (sequence.num_logit_rows == 0) continue;
    const int num_logprobs = num_logprobs_.at(static_cast<size_t>(sequence.slot));
    step.sequences.push_back({.num_rows = sequence.num_logit_rows, .num_logprobs = num_logprobs});
    step.num_rows += sequence.num_logit_rows;
    step.max_logprobs = std::max(step.max_logprobs, num_logprobs);
  }
}

void LocalModelRunner::sample(MatrixView<const float> logits, const Enqueued& step) {
  CHECK(logits.rows == step.num_rows, logits.rows, " rows of logits, expected ", step.num_rows);
  if (step.num_rows == 0) return;
  CHECK(logits.stride == logits.cols, "the rows of logits are not adjacent");
  const SampledRows out = outputs_.device_rows(step.num_rows, step.max_logprobs);
  SampleArgs args;
  args.logits = logits.data;
  args.num_rows = logits.rows;
  args.vocab_size = logits.cols;
  args.num_valid_tokens = num_tokens_;
  args.slots = slots_.slots();
  args.row_slots = model_.logit_slots().data;
  args.ids = out.ids;
  args.bad_numbers = out.bad_numbers;
  args.max_logprobs = step.max_logprobs;
  args.logprobs = out.logprobs;
  args.top_ids = out.top_ids;
  args.top_logprobs = out.top_logprobs;
  backend_.sample(args);
}

StepOutput LocalModelRunner::output_of(int place) {
  const Enqueued& step = steps_[static_cast<size_t>(place)];
  const SampledRows rows = outputs_.wait(place, step.num_rows, step.max_logprobs);
  StepOutput output;
  int row = 0;
  for (const Enqueued::Rows& sequence : step.sequences) {
    SampledTokens& sampled = output.sampled.emplace_back();
    const int num_top = std::min(sequence.num_logprobs, num_tokens_);
    for (const int end = row + sequence.num_rows; row < end; ++row) {
      sampled.tokens.push_back(token_of(rows, row, num_top, step.max_logprobs));
      sampled.bad_numbers |= rows.bad_numbers[row] != 0;
    }
  }
  return output;
}

}  // namespace glint
