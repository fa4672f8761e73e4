#include "engine/engine.h"

#include <atomic>
#include <mutex>
#include <utility>

#include "engine/command_queue.h"
#include "engine/engine_loop.h"
#include "scheduler/admission.h"

namespace glint {

struct Engine::State {
  State(const SchedulerLimits& l, std::unique_ptr<ModelRunner> runner, const Clock& c,
        const EngineOptions& options)
      : limits(l),
        clock(c),
        loop(l, std::move(runner), c, options, num_waiting),
        published(loop.stats()) {}

  void publish_stats() {
    std::lock_guard lock(stats_mutex);
    published = loop.stats();
  }

  const SchedulerLimits limits;
  const Clock& clock;
  CommandQueue commands;
  std::atomic<RequestId> next_id{1};
  std::atomic<int> num_waiting{0};  // submitted, and never started yet
  EngineLoop loop;                  // the engine thread's
  uint64_t num_turns = 0;           // the engine thread's
  std::atomic<uint64_t> turn_under_way{0};
  std::mutex stats_mutex;
  EngineStats published;  // guarded by stats_mutex
};

Engine::Engine(const SchedulerLimits& limits, std::unique_ptr<ModelRunner> runner,
               const Clock& clock, const EngineOptions& options)
    : state_(std::make_unique<State>(limits, std::move(runner), clock, options)) {}

Engine::~Engine() = default;

namespace {

Error stopping() {
  return {ErrorCode::kOverloaded, "The server is shutting down. Try another one, or later."};
}

Error queue_full(int max_queued_requests) {
  return {ErrorCode::kOverloaded,
          cat("The queue is full: ", max_queued_requests,
              " requests wait already (--max-queued-requests). Try again later.")};
}

// Pushes a command that is answered; when nobody will take it any more, answers it here.
template <typename AnsweredCommand>
void ask(CommandQueue& commands, AnsweredCommand asked) {
  const auto done = asked.done;
  if (!commands.push(std::move(asked))) done(stopping());
}

}  // namespace

Result<RequestId> Engine::submit(GenerateRequest request, EventSink sink) {
  State& s = *state_;
  request.max_tokens = TRY(
      admitted_max_tokens(s.limits, static_cast<int>(request.prompt.size()), request.max_tokens));
  const int num_before = s.num_waiting.fetch_add(1, std::memory_order_relaxed);
  const bool is_full =
      s.limits.max_queued_requests >= 0 && num_before >= s.limits.max_queued_requests;
  const RequestId id = s.next_id.fetch_add(1, std::memory_order_relaxed);
  if (!is_full && s.commands.push(SubmitCommand{.id = id,
                                                .request = std::move(request),
                                                .sink = std::move(sink),
                                                .submitted_s = s.clock.now_s()}))
    return id;
  s.num_waiting.fetch_sub(1, std::memory_order_relaxed);
  return is_full ? queue_full(s.limits.max_queued_requests) : stopping();
}

void Engine::cancel(RequestId id) { state_->commands.push(CancelCommand{.id = id}); }

void Engine::flush_cache(std::function<void(Result<void>)> done) {
  ask(state_->commands, FlushCommand{.done = std::move(done)});
}

void Engine::pause(std::function<void(Result<void>)> done) {
  ask(state_->commands, PauseCommand{.pause = true, .done = std::move(done)});
}

void Engine::resume(std::function<void(Result<void>)> done) {
  ask(state_->commands, PauseCommand{.pause = false, .done = std::move(done)});
}

EngineStats Engine::stats() const {
  std::lock_guard lock(state_->stats_mutex);
  return state_->published;
}

uint64_t Engine::turn_under_way() const {
  return state_->turn_under_way.load(std::memory_order_relaxed);
}

bool Engine::step() {
  state_->turn_under_way.store(++state_->num_turns, std::memory_order_relaxed);
  const bool did_something = state_->loop.turn(state_->commands.drain());
  state_->publish_stats();
  state_->loop.answer_commands();
  state_->turn_under_way.store(0, std::memory_order_relaxed);
  return did_something;
}

void Engine::run() {
  while (!state_->commands.closed())
    if (!step()) state_->commands.wait();
  step();  // what came before the queue closed; nothing comes after
  state_->loop.abort_all();
  state_->publish_stats();
}

void Engine::stop() { state_->commands.close(); }

const Scheduler& Engine::scheduler() const { return state_->loop.scheduler(); }

}  // namespace glint
