#pragma once

// The loop that joins the rest: queue → plan → batch → submit → collect → events. One thread owns
// all engine state; the functions marked so may be called from any thread.

#include <functional>
#include <memory>

#include "base/clock.h"
#include "base/result.h"
#include "engine/event.h"
#include "engine/model_runner.h"
#include "engine/request.h"
#include "engine/stats.h"
#include "scheduler/limits.h"

namespace glint {

class Scheduler;

class Engine {
 public:
  Engine(const SchedulerLimits& limits, std::unique_ptr<ModelRunner> runner, const Clock& clock);
  ~Engine();

  // Any thread. Refused at once: a request that can never fit (kInvalidRequest, with the sum), a
  // full queue or a server that stops (kOverloaded). Otherwise `sink` gets events until one has
  // `finish`. The caller has checked that prompt ids and sampling params are the model's
  // (sampling/params.h).
  Result<RequestId> submit(GenerateRequest request, EventSink sink);
  // Any thread. Takes effect at the next step; the sink then gets kAbort, unless it had finished.
  // Unknown ids are ignored.
  void cancel(RequestId id);
  // Any thread. Drops all cached prefixes; kInvalidRequest while requests run or wait. `done` is
  // called on the engine thread, or at once after stop().
  void flush_cache(std::function<void(Result<void>)> done);
  // Any thread. Between pause() and resume() no step is computed: what runs stands still with its
  // pages, what is submitted waits, cancel() works. `done` is called as flush_cache()'s, once the
  // step in flight was collected; it gets kOverloaded after stop(). Neither counts: one resume()
  // ends any number of pauses.
  void pause(std::function<void(Result<void>)> done);
  void resume(std::function<void(Result<void>)> done);
  // Any thread: a consistent copy as of the last step.
  EngineStats stats() const;

  // The engine thread. One turn; false when there was nothing to do.
  bool step();
  // Steps until stop(); sleeps while idle.
  void run();
  // Any thread. Ends run(), paused or not; every open request gets kAbort.
  void stop();

  // The engine thread: for tests, which check what must hold between steps.
  const Scheduler& scheduler() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace glint
