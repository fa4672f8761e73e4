#include "paced_runner.h"

#include <algorithm>
#include <thread>

#include "base/check.h"

namespace glint {

PacedRunner::PacedRunner(int num_tokens, std::chrono::microseconds step)
    : runner_(num_tokens), step_(step), due_(Time::clock::now()) {}

Ticket PacedRunner::submit(StepInput input) {
  for (const SlotState& state : input.new_slots)
    waiting_[state.slot] = {.seed = state.params.seed, .position = state.output.size()};
  std::vector<int> sampled;
  for (const BatchSequence& sequence : input.batch.sequences)
    if (sequence.num_logit_rows > 0) sampled.push_back(sequence.slot);
  const Ticket ticket = runner_.submit(std::move(input));
  for (const int slot : sampled) {
    const auto begin = waiting_.find(slot);
    if (begin == waiting_.end()) continue;
    begin->second.ticket = ticket;
    begins_.push_back(begin->second);
    waiting_.erase(begin);
  }
  return ticket;
}

StepOutput PacedRunner::collect(Ticket ticket) {
  due_ = std::max(due_ + step_, Time::clock::now());
  std::this_thread::sleep_until(due_);
  steps_.push_back(Time::clock::now());
  return runner_.collect(ticket);
}

std::string PacedRunner::log() const {
  std::string text;
  for (const Time time : steps_) text += cat("step ", time.time_since_epoch().count(), '\n');
  for (const Begin& begin : begins_)  // tickets count from 1
    text += cat("begin ", begin.seed, ' ', begin.position, ' ', begin.ticket - 1, '\n');
  return text;
}

}  // namespace glint
