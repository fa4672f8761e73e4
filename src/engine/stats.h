#pragma once

#include <cstdint>

#include "base/histogram.h"

namespace glint {

// Steps of one kind. Run-ahead overlaps them: a step's time runs from the end of the one before, or
// from its own submission if the engine was idle, until its tokens are there.
struct StepTotals {
  int64_t steps = 0;
  double seconds = 0;
  int64_t decode_rows = 0;    // tokens computed one by one
  int64_t prompt_tokens = 0;  // computed; those found in the cache are none
};

// Of EngineStats::step_tokens; vLLM's.
inline constexpr double kStepTokensBounds[] = {1,   8,    16,   32,   64,   128,  256,
                                               512, 1024, 2048, 4096, 8192, 16384};

// What /metrics, /get_server_info and the log show of the engine. Counters since the start.
struct EngineStats {
  int num_running_requests = 0;
  int num_queued_requests = 0;
  int num_retracted_requests = 0;  // of those that wait: they ran and gave way
  int64_t num_waiting_tokens = 0;  // of the prompts of requests that never started
  bool paused = false;             // generation is: nothing that runs or waits gets a step
  int64_t num_used_tokens = 0;     // KV rows held by running sequences
  int64_t num_cached_tokens = 0;   // KV rows held by the prefix tree alone: evictable
  int64_t max_total_tokens = 0;    // KV rows in the pool
  int64_t num_pages = 0, num_free_pages = 0;
  int64_t prompt_tokens_total = 0, cached_tokens_total = 0, generation_tokens_total = 0;
  int64_t requests_total = 0, aborted_requests_total = 0, retractions_total = 0;
  // Of the sequences that gave way, each time.
  int64_t retracted_prompt_tokens_total = 0, retracted_output_tokens_total = 0;
  int64_t evicted_tokens_total = 0;
  int64_t steps_total = 0;
  StepTotals decode_steps{}, prompt_steps{};  // the latter hold prompt chunks, perhaps decodes too
  HistogramCounts step_tokens{.bounds = kStepTokensBounds};  // rows of each step
  double last_gen_throughput_tps = 0;  // output tokens per second over the last second or so

  // Running ones that stand still.
  int num_paused_requests() const { return paused ? num_running_requests : 0; }
};

}  // namespace glint
