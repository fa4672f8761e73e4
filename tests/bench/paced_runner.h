#pragma once

#include <chrono>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/null_model_runner.h"

namespace glint {

// The null model with a real model's rhythm: a step's tokens are there `step` after those of the
// step before. Remembers when, and which step made whose first token.
class PacedRunner final : public ModelRunner {
 public:
  PacedRunner(int num_tokens, std::chrono::microseconds step);

  Ticket submit(StepInput input) override;
  StepOutput collect(Ticket ticket) override;

  // For who measures how long a token is on its way, one line each:
  //   step NANOSECONDS               of step 0, 1, …, by the steady clock
  //   begin SEED POSITION STEP       a sequence's token at POSITION comes from that step, each
  //                                  further one from the next
  std::string log() const;

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct Begin {
    uint64_t seed = 0;
    size_t position = 0;
    Ticket ticket = 0;
  };

  NullModelRunner runner_;
  const std::chrono::microseconds step_;
  Time due_;  // of the last step's tokens
  std::vector<Time> steps_;
  std::unordered_map<int, Begin> waiting_;  // slots whose first token is still to come
  std::vector<Begin> begins_;
};

}  // namespace glint
