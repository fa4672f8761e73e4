#include "engine/engine_loop.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "engine/batch_builder.h"

namespace glint {
namespace {

constexpr double kThroughputWindow_s = 1.0;

constexpr char kBadNumbersMessage[] =
    "The model computed a NaN or an infinite number for this request. Other requests are not "
    "affected. If sending it again gives the same, please report it with the prompt.";

constexpr char kAbortMessage[] = "The request was aborted, or the server shuts down.";

Usage usage_of(const SequenceCounts& counts) {
  return {.prompt_tokens = counts.prompt_tokens,
          .cached_tokens = counts.cached_tokens,
          .completion_tokens = counts.output_tokens,
          .num_retractions = counts.num_retractions};
}

Finish finish_of(SequenceEnd end, const std::vector<OutputToken>& tokens) {
  switch (end) {
    case SequenceEnd::kStop:
      return {.reason = FinishReason::kStop, .matched_stop = tokens.back().id, .message = {}};
    case SequenceEnd::kLength:
      return {.reason = FinishReason::kLength, .matched_stop = {}, .message = {}};
    case SequenceEnd::kBadNumbers:
      break;
  }
  return {.reason = FinishReason::kError, .matched_stop = {}, .message = kBadNumbersMessage};
}

TokenEvent abort_event(const SequenceCounts& counts) {
  TokenEvent event;
  event.usage = usage_of(counts);
  event.finish =
      Finish{.reason = FinishReason::kAbort, .matched_stop = {}, .message = kAbortMessage};
  return event;
}

}  // namespace

EngineLoop::EngineLoop(const SchedulerLimits& limits, std::unique_ptr<ModelRunner> runner,
                       const Clock& clock, const EngineOptions& options,
                       std::atomic<int>& num_waiting)
    : clock_(clock),
      options_(options),
      runner_(std::move(runner)),
      num_waiting_(num_waiting),
      scheduler_(limits),
      steps_to_report_(options.report_interval),
      window_begin_s_(clock.now_s()) {}

bool EngineLoop::turn(std::vector<Command> commands) {
  for (Command& command : commands) std::visit([&](auto& c) { apply(c); }, command);
  Plan plan = paused_ ? Plan{} : scheduler_.plan();
  CHECK(!plan.empty() || in_flight_ || paused_ || scheduler_.idle(), scheduler_.num_waiting(),
        " sequences wait and none can run");
  std::optional<InFlight> submitted;
  if (!plan.empty()) submitted = submit_step(std::move(plan));
  std::optional<InFlight> to_collect = std::exchange(in_flight_, std::move(submitted));
  if (in_flight_ && !options_.run_ahead) to_collect = std::exchange(in_flight_, std::nullopt);
  if (to_collect) collect_step(*to_collect);
  update_throughput();
  report();
  return !commands.empty() || to_collect || in_flight_;
}

// ---- commands

void EngineLoop::apply(SubmitCommand& command) {
  ++requests_total_;
  GenerateRequest& request = command.request;
  const auto num_prompt_tokens = static_cast<int>(request.prompt.size());
  ++new_requests_;
  new_prompt_tokens_ += num_prompt_tokens;
  scheduler_.add({.id = command.id,
                  .prompt = std::move(request.prompt),
                  .max_tokens = request.max_tokens,
                  .stop_token_ids = request.sampling.stop_token_ids,
                  .priority = request.priority,
                  .cache_namespace = request.cache_namespace,
                  .use_prefix_cache = request.use_prefix_cache});
  requests_[command.id] = {.sink = std::move(command.sink),
                           .sampling = std::move(request.sampling),
                           .triggers = std::move(request.triggers),
                           .num_prompt_tokens = num_prompt_tokens,
                           .times = {.submitted_s = command.submitted_s},
                           .waits = true};
}

void EngineLoop::apply(CancelCommand& command) {
  const auto counts = scheduler_.cancel(command.id);
  if (!counts) return;
  ++aborted_requests_total_;
  end_request(command.id, abort_event(*counts));
}

void EngineLoop::apply(FlushCommand& command) {
  command_answers_.push_back(
      [done = std::move(command.done), flushed = flush_cache()] { done(flushed); });
}

Result<void> EngineLoop::flush_cache() {
  if (scheduler_.flush_cache()) return {};
  const size_t num_running = scheduler_.running().size();
  return Error{ErrorCode::kInvalidRequest,
               cat("The cache is in use: ", num_running,
                   num_running == 1 ? " request runs" : " requests run", " and ",
                   scheduler_.num_waiting(), " wait. Flush it when the server is idle.")};
}

void EngineLoop::apply(PauseCommand& command) {
  paused_ = command.pause;
  command_answers_.push_back([done = std::move(command.done)] { done({}); });
}

void EngineLoop::answer_commands() {
  for (const auto& answer : std::exchange(command_answers_, {})) answer();
}

// ---- one step

EngineLoop::InFlight EngineLoop::submit_step(Plan plan) {
  StepInput input;
  input.batch = build_batch(scheduler_, plan);
  for (const Chunk& chunk : plan.chunks)
    if (chunk.starts) input.new_slots.push_back(start_slot(*scheduler_.find(chunk.sequence)));
  ++steps_total_;
  const Ticket ticket = runner_->submit(std::move(input));
  return {.plan = std::move(plan), .ticket = ticket, .submitted_s = clock_.now_s()};
}

SlotState EngineLoop::start_slot(const Sequence& sequence) {
  OpenRequest& request = requests_.at(sequence.id);
  if (request.waits) request.times.started_s = clock_.now_s();
  leave_waiting(request);
  return {.slot = sequence.slot,
          .params = request.sampling,
          .triggers = request.triggers,
          .num_prompt_tokens = sequence.num_prompt,
          .output = {sequence.tokens.begin() + sequence.num_prompt, sequence.tokens.end()}};
}

void EngineLoop::collect_step(const InFlight& step) {
  StepOutput output = runner_->collect(step.ticket);
  count_step(step);
  std::vector<std::vector<TokenId>> ids(output.sampled.size());
  std::vector<SampledChunk> sampled;
  for (size_t i = 0; i < ids.size(); ++i) {
    for (const OutputToken& token : output.sampled[i].tokens) ids[i].push_back(token.id);
    sampled.push_back({.tokens = ids[i], .bad_numbers = output.sampled[i].bad_numbers});
  }
  for (const Outcome& outcome : scheduler_.commit(step.plan, sampled)) {
    const Sequence* sequence = scheduler_.find(outcome.sequence);
    const bool gave_way = sequence != nullptr && !sequence->running;
    if (planted(PlantedBug::kInFlightTokenLost) && gave_way) continue;
    answer(outcome, output.sampled[outcome.result]);
  }
}

void EngineLoop::count_step(const InFlight& step) {
  int64_t decode_rows = 0, prompt_tokens = 0;
  for (const Chunk& chunk : step.plan.chunks)
    (chunk.form == ChunkForm::kPrompt ? prompt_tokens : decode_rows) += chunk.extend_len;
  StepTotals& totals = prompt_tokens > 0 ? prompt_steps_ : decode_steps_;
  const double now_s = clock_.now_s();
  ++totals.steps;
  totals.seconds += now_s - std::max(step.submitted_s, last_collected_s_);
  totals.decode_rows += decode_rows;
  totals.prompt_tokens += prompt_tokens;
  step_tokens_.observe(static_cast<double>(decode_rows + prompt_tokens));
  last_collected_s_ = now_s;
  steps_to_report_ -= decode_rows > 0;
}

void EngineLoop::answer(const Outcome& outcome, SampledTokens& sampled) {
  OpenRequest& request = requests_.at(outcome.sequence);
  if (outcome.num_tokens > 0) {
    if (request.times.first_token_s == 0) request.times.first_token_s = last_collected_s_;
    request.times.last_token_s = last_collected_s_;
  }
  TokenEvent event;
  sampled.tokens.resize(static_cast<size_t>(outcome.num_tokens));
  event.tokens = std::move(sampled.tokens);
  event.usage = usage_of(outcome.counts);
  if (!outcome.end) {
    event.times = request.times;
    return request.sink(std::move(event));
  }
  event.finish = finish_of(*outcome.end, event.tokens);
  end_request(outcome.sequence, std::move(event));
}

void EngineLoop::end_request(RequestId id, TokenEvent&& event) {
  const auto it = requests_.find(id);
  CHECK(it != requests_.end(), "request ", id, " ended twice");
  OpenRequest request = std::move(it->second);
  requests_.erase(it);
  event.times = request.times;
  if (!planted(PlantedBug::kWaitingCountKept)) leave_waiting(request);
  request.sink(std::move(event));
}

void EngineLoop::leave_waiting(OpenRequest& request) {
  if (!std::exchange(request.waits, false)) return;
  num_waiting_.fetch_sub(1, std::memory_order_relaxed);
  --new_requests_;
  new_prompt_tokens_ -= request.num_prompt_tokens;
}

void EngineLoop::abort_all() {
  while (!requests_.empty()) {
    CancelCommand command{.id = requests_.begin()->first};
    apply(command);
  }
  if (in_flight_) collect_step(*in_flight_);
  in_flight_.reset();
}

// ---- stats

void EngineLoop::update_throughput() {
  const double now_s = clock_.now_s();
  const double elapsed_s = now_s - window_begin_s_;
  if (elapsed_s < kThroughputWindow_s) return;
  const int64_t tokens = scheduler_.totals().output_tokens;
  throughput_tps_ = static_cast<double>(tokens - window_begin_tokens_) / elapsed_s;
  window_begin_s_ = now_s;
  window_begin_tokens_ = tokens;
}

void EngineLoop::report() {
  if (options_.report_interval <= 0 || steps_to_report_ > 0) return;
  steps_to_report_ = options_.report_interval;
  options_.report(stats());
}

EngineStats EngineLoop::stats() const {
  const SchedulerTotals& totals = scheduler_.totals();
  const int64_t page_size = scheduler_.limits().page_size;
  const int64_t num_pages = scheduler_.pool().num_pages();
  const int64_t num_free = scheduler_.pool().num_free();
  const int64_t num_cached = scheduler_.tree().num_evictable();
  EngineStats stats;
  stats.num_running_requests = static_cast<int>(scheduler_.running().size());
  stats.num_queued_requests = scheduler_.num_waiting();
  stats.num_retracted_requests = scheduler_.num_waiting() - new_requests_;
  stats.num_waiting_tokens = new_prompt_tokens_;
  stats.paused = paused_;
  stats.num_used_tokens = (num_pages - num_free - num_cached) * page_size;
  stats.num_cached_tokens = num_cached * page_size;
  stats.max_total_tokens = num_pages * page_size;
  stats.num_pages = num_pages;
  stats.num_free_pages = num_free;
  stats.prompt_tokens_total = totals.prompt_tokens;
  stats.cached_tokens_total = totals.cached_tokens;
  stats.generation_tokens_total = totals.output_tokens;
  stats.requests_total = requests_total_;
  stats.aborted_requests_total = aborted_requests_total_;
  stats.retractions_total = totals.retractions;
  stats.retracted_prompt_tokens_total = totals.retracted_prompt_tokens;
  stats.retracted_output_tokens_total = totals.retracted_output_tokens;
  stats.evicted_tokens_total = totals.evicted_pages * page_size;
  stats.steps_total = steps_total_;
  stats.decode_steps = decode_steps_;
  stats.prompt_steps = prompt_steps_;
  stats.step_tokens = step_tokens_;
  stats.last_gen_throughput_tps = throughput_tps_;
  return stats;
}

}  // namespace glint
