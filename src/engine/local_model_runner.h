#pragma once

// The model of this process behind ModelRunner: a thread of its own runs forward and sampling, one
// step after the other, while the engine thread plans the next.

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "backend/backend.h"
#include "engine/model_runner.h"
#include "model/model.h"
#include "sampling/slot_memory.h"
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
  struct Slot {
    SlotMemory memory;
    TokenId last_sampled = 0;
  };
  // What the sample op writes; grows to the largest step and stays.
  struct Sampled {
    std::vector<SampleSlot*> slots;
    std::vector<TokenId> ids;
    std::vector<uint8_t> bad_numbers;
    std::vector<float> logprobs;
    std::vector<TokenId> top_ids;
    std::vector<float> top_logprobs;
    int max_logprobs = 0;
  };

  void run_steps();
  StepOutput run_step(StepInput& input);
  void resolve_last_sampled(Batch& batch);
  void sample(const Batch& batch, MatrixView<const float> logits);
  StepOutput output_of(const Batch& batch);
  OutputToken token_of(size_t row) const;

  Backend& backend_;
  Model model_;
  const int num_tokens_;
  std::unordered_map<int, Slot> slots_;  // the worker's
  Sampled sampled_;                      // the worker's

  std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  std::deque<StepInput> waiting_;
  std::deque<StepOutput> done_;
  Ticket last_submitted_ = 0;
  Ticket last_collected_ = 0;
  bool stopping_ = false;
  std::thread worker_;  // last: it uses all of the above
};

}  // namespace glint
