#include "engine/local_model_runner.h"

#include <algorithm>

#include "base/check.h"
#include "model/memory_plan.h"

namespace glint {
namespace {

static_assert(sizeof(SampleSlot) + sizeof(SlotLists) <= kSampleSlotBytes, "as planned");

int place_of(Ticket ticket) { return static_cast<int>(ticket % SampleOutputs::kInFlight); }

}  // namespace

ModelOptions model_options(const SchedulerLimits& limits, NumberType compute) {
  ModelOptions options;
  options.compute = compute;
  options.page_size = limits.page_size;
  options.num_pages = limits.num_pages;
  options.max_batch_tokens = max_step_tokens(limits);
  options.max_block_rows = limits.max_mixed_tokens;
  options.max_batch_sequences = limits.max_running_requests;
  options.max_logit_rows = limits.max_running_requests;
  return options;
}

LocalModelRunner::LocalModelRunner(Backend& backend, Model model, int num_tokens)
    : backend_(backend),
      model_(std::move(model)),
      num_tokens_(num_tokens),
      slots_(backend, model_.options().max_batch_sequences, model_.config().vocab_size),
      logprobs_(static_cast<size_t>(model_.options().max_batch_sequences)),
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
  step.shape.num_rows = logits.rows;
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
  outputs_.download(place, step.shape);
}

void LocalModelRunner::reset_slots(const std::vector<SlotState>& states) {
  slots_.begin_step();
  for (const SlotState& state : states) {
    slots_.reset(state.slot, state.params, state.triggers, state.output);
    logprobs_[static_cast<size_t>(state.slot)] = {.num_logprobs = state.params.num_logprobs,
                                                  .num_ids = state.params.num_logprob_ids()};
  }
}

void LocalModelRunner::note_rows(const Batch& batch, Enqueued& step) const {
  step.sequences.clear();
  step.shape = {};
  for (const BatchSequence& sequence : batch.sequences) {
    if (sequence.num_logit_rows == 0) continue;
    const LogprobCounts& logprobs = logprobs_.at(static_cast<size_t>(sequence.slot));
    step.sequences.push_back({.num_rows = sequence.num_logit_rows, .logprobs = logprobs});
    step.shape.num_rows += sequence.num_logit_rows;
    step.shape.max_logprobs = std::max(step.shape.max_logprobs, logprobs.num_logprobs);
    step.shape.max_logprob_ids = std::max(step.shape.max_logprob_ids, logprobs.num_ids);
  }
}

void LocalModelRunner::sample(MatrixView<const float> logits, const Enqueued& step) {
  const SampledShape& shape = step.shape;
  CHECK(logits.rows == shape.num_rows, logits.rows, " rows of logits, expected ", shape.num_rows);
  if (shape.num_rows == 0) return;
  CHECK(logits.stride == logits.cols, "the rows of logits are not adjacent");
  const SampledRows out = outputs_.device_rows(shape);
  SampleArgs args;
  args.logits = logits.data;
  args.num_rows = logits.rows;
  args.vocab_size = logits.cols;
  args.num_valid_tokens = num_tokens_;
  args.slots = slots_.slots();
  args.row_slots = model_.logit_slots().data;
  args.ids = out.ids;
  args.bad_numbers = out.bad_numbers;
  args.max_logprobs = shape.max_logprobs;
  args.logprobs = out.logprobs;
  args.top_ids = out.top_ids;
  args.top_logprobs = out.top_logprobs;
  args.max_logprob_ids = shape.max_logprob_ids;
  args.id_logprobs = out.id_logprobs;
  backend_.sample(args);
}

OutputToken LocalModelRunner::token_of(const SampledRows& rows, int row, const SampledShape& shape,
                                       const LogprobCounts& counts) const {
  OutputToken token;
  token.id = rows.ids[row];
  if (counts.num_logprobs < 0) return token;
  TokenLogprobs& logprobs = token.logprobs.emplace();
  logprobs.chosen = rows.logprobs[row];
  const int num_top = std::min(counts.num_logprobs, num_tokens_);
  for (int at = row * shape.max_logprobs, end = at + num_top; at < end; ++at)
    logprobs.top.emplace_back(rows.top_ids[at], rows.top_logprobs[at]);
  const float* of_ids = rows.id_logprobs + row * shape.max_logprob_ids;
  logprobs.of_ids.assign(of_ids, of_ids + counts.num_ids);
  return token;
}

StepOutput LocalModelRunner::output_of(int place) {
  const Enqueued& step = steps_[static_cast<size_t>(place)];
  const SampledRows rows = outputs_.wait(place, step.shape);
  StepOutput output;
  int row = 0;
  for (const Enqueued::Rows& sequence : step.sequences) {
    SampledTokens& sampled = output.sampled.emplace_back();
    for (const int end = row + sequence.num_rows; row < end; ++row) {
      sampled.tokens.push_back(token_of(rows, row, step.shape, sequence.logprobs));
      sampled.bad_numbers |= rows.bad_numbers[row] != 0;
    }
  }
  return output;
}

}  // namespace glint
