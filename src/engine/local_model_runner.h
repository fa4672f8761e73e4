#pragma once

// The model of this process behind ModelRunner: a thread of its own enqueues forward and sampling,
// one step after the other, while the engine thread plans the next. Nothing of a step's ids and
// state comes by the host on its way to the next step; collect() alone waits for the backend.

#include <array>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "backend/backend.h"
#include "engine/model_runner.h"
#include "model/model.h"
#include "sampling/sample_outputs.h"
#include "sampling/slot_pool.h"
#include "scheduler/limits.h"

namespace glint {

// Room for the largest step that a scheduler with these limits plans: one logit row a sequence.
ModelOptions model_options(const SchedulerLimits& limits, NumberType compute);

class LocalModelRunner final : public ModelRunner {
 public:
  // `num_tokens`: ids from here on have no token and are never sampled (the vocabulary may be
  // padded). `backend` is the model's and outlives this.
  LocalModelRunner(Backend& backend, Model model, int num_tokens);
  ~LocalModelRunner() override;

  Ticket submit(StepInput input) override;
  StepOutput collect(Ticket ticket) override;

 private:
  // What a slot's tokens have.
  struct LogprobCounts {
    int num_logprobs = -1;  // as SampleSlot's
    int num_ids = 0;
  };
  // What the host knows of an enqueued step, to read its outputs by.
  struct Enqueued {
    struct Rows {
      int num_rows = 0;
      LogprobCounts logprobs;
    };
    std::vector<Rows> sequences;  // with logit rows
    SampledShape shape;
  };

  void prepare();
  void enqueue_steps();
  void enqueue(const StepInput& input, int place);
  void reset_slots(const std::vector<SlotState>& states);
  void note_rows(const Batch& batch, Enqueued& step) const;
  void sample(MatrixView<const float> logits, const Enqueued& step);
  OutputToken token_of(const SampledRows& rows, int row, const SampledShape& shape,
                       const LogprobCounts& logprobs) const;
  StepOutput output_of(int place);

  Backend& backend_;
  Model model_;
  const int num_tokens_;
  SlotPool slots_;                       // the worker's
  std::vector<LogprobCounts> logprobs_;  // [slots], the worker's
  // At ticket % kInFlight: the worker's until the step is enqueued, then collect()'s.
  std::array<Enqueued, SampleOutputs::kInFlight> steps_;
  SampleOutputs outputs_;

  std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  std::deque<StepInput> waiting_;
  Ticket last_submitted_ = 0;
  Ticket last_enqueued_ = 0;
  Ticket last_collected_ = 0;
  bool stopping_ = false;
  std::thread worker_;  // last: it uses all of the above
};

}  // namespace glint
