#pragma once

#include <deque>
#include <utility>
#include <vector>

#include "engine/model_runner.h"

namespace glint {

// Answers at once, without a model: every sequence's ids are a fixed pseudo-random stream over
// [0, num_tokens), a function of (seed, choice, position). For measuring everything around the
// model. Triggers, stop masks and logprobs' values are not modelled; a stop id may come up.
class NullModelRunner final : public ModelRunner {
 public:
  explicit NullModelRunner(int num_tokens);

  Ticket submit(StepInput input) override;
  StepOutput collect(Ticket ticket) override;

 private:
  struct Slot {
    uint64_t seed = 0;
    int choice = 0;
    int position = 0;
    int num_logprobs = -1;
    int num_logprob_ids = 0;
  };
  void set_slot(const SlotState& state);
  OutputToken next_token(Slot& slot) const;

  const int num_tokens_;
  std::vector<Slot> slots_;
  std::deque<std::pair<Ticket, StepOutput>> done_;
  Ticket last_ticket_ = 0;
};

}  // namespace glint
