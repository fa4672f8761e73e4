// What /metrics costs: gateways ask for it every 50 ms, and every token is recorded.

#include <benchmark/benchmark.h>

#include "api/operator/metrics.h"

namespace glint {
namespace {

// A server that has been busy: every bucket has a count, and counts have many digits.
void fill(Histogram& histogram) {
  double last = 0;
  for (const double bound : histogram.read().bounds) {
    histogram.observe((last + bound) / 2, 123456789);
    last = bound;
  }
}

void fill(RequestMetrics& m) {
  for (Histogram* histogram :
       {&m.time_to_first_token, &m.request, &m.inter_token, &m.tokenize, &m.queue, &m.prefill,
        &m.decode, &m.inference, &m.prompt_tokens, &m.generation_tokens, &m.max_tokens,
        &m.retractions, &m.num_choices, &m.longest_choice_tokens})
    fill(*histogram);
}

void scrape(benchmark::State& state) {
  RequestMetrics requests;
  fill(requests);
  const SchedulerLimits limits;
  const MemoryUse memory{.weights_bytes = 59'900'000'000, .kv_bytes = 21'500'000'000};
  const StartupTimes startup{.load_weights_s = 31.25, .total_s = 40.5};
  const MetricsInput input{.stats = {},
                           .requests = requests,
                           .limits = limits,
                           .memory = memory,
                           .startup = startup,
                           .model_name = "zai-org/GLM-4.7-Flash"};
  size_t bytes = 0;
  for (auto _ : state) bytes += metrics_text(input).size();
  state.counters["bytes"] =
      benchmark::Counter(static_cast<double>(bytes), benchmark::Counter::kAvgIterations);
}
BENCHMARK(scrape)->Unit(benchmark::kMicrosecond);

// What one token adds, from one thread and from several at once.
void observe(benchmark::State& state) {
  static RequestMetrics requests;
  for (auto _ : state) requests.inter_token.observe(0.0123);
}
BENCHMARK(observe)->Threads(1)->Threads(2)->Threads(8);

}  // namespace
}  // namespace glint
