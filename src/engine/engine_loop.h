#pragma once

// The engine thread's half of Engine: one turn after the other, no locks. Engine (engine.h) is the
// half that other threads see.

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "engine/command_queue.h"
#include "engine/model_runner.h"
#include "engine/options.h"
#include "engine/stats.h"
#include "scheduler/scheduler.h"

namespace glint {

class EngineLoop {
 public:
  // `num_waiting` counts submitted requests that did not start yet; submit() adds to it.
  EngineLoop(const SchedulerLimits& limits, std::unique_ptr<ModelRunner> runner, const Clock& clock,
             const EngineOptions& options, std::atomic<int>& num_waiting);

  // Applies `commands`, submits a step unless paused, collects the one before, or, without
  // run-ahead, the same. False if there was nothing to do.
  bool turn(std::vector<Command> commands);
  // Every open request gets kAbort; the step in flight is collected.
  void abort_all();
  // Answers the commands that ask for one. To be called after the turn's stats() were published:
  // whoever got an answer and reads them sees its effect.
  void answer_commands();

  EngineStats stats() const;
  const Scheduler& scheduler() const { return scheduler_; }

 private:
  struct OpenRequest {
    EventSink sink;
    SamplingParams sampling;
    std::vector<Trigger> triggers;
    int num_prompt_tokens = 0;
    RequestTimes times;
    bool waits = true;  // for its first start: counted in num_waiting_ and new_requests_
  };
  struct InFlight {
    Plan plan;
    Ticket ticket = 0;
    double submitted_s = 0;
  };

  void apply(SubmitCommand& command);
  void apply(CancelCommand& command);
  void apply(FlushCommand& command);
  void apply(PauseCommand& command);
  Result<void> flush_cache();
  InFlight submit_step(Plan plan);
  SlotState start_slot(const Sequence& sequence);
  void collect_step(const InFlight& step);
  void count_step(const InFlight& step);
  void answer(const Outcome& outcome, SampledTokens& sampled);
  void end_request(RequestId id, TokenEvent&& event);
  void leave_waiting(OpenRequest& request);
  void update_throughput();
  void report();

  const Clock& clock_;
  const EngineOptions options_;
  std::unique_ptr<ModelRunner> runner_;
  std::atomic<int>& num_waiting_;
  Scheduler scheduler_;
  std::unordered_map<RequestId, OpenRequest> requests_;
  std::optional<InFlight> in_flight_;
  bool paused_ = false;
  int new_requests_ = 0;  // those that never started
  int64_t new_prompt_tokens_ = 0;
  std::vector<std::function<void()>> command_answers_;
  int64_t requests_total_ = 0;
  int64_t aborted_requests_total_ = 0;
  int64_t steps_total_ = 0;
  int steps_to_report_ = 0;
  StepTotals decode_steps_, prompt_steps_;
  HistogramCounts step_tokens_{.bounds = kStepTokensBounds};
  double last_collected_s_ = 0;
  double window_begin_s_ = 0;  // of the throughput figure
  int64_t window_begin_tokens_ = 0;
  double throughput_tps_ = 0;
};

}  // namespace glint
