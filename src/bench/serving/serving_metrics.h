#pragma once

// SGLang's metrics of a load, from what the client saw: bench_serving's definitions.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "bench/serving/request_record.h"

namespace glint {

// Milliseconds. Percentiles are numpy's: interpolated linearly. All 0 for no values.
struct Spread {
  double mean = 0, median = 0, std = 0, p90 = 0, p95 = 0, p99 = 0, max = 0;
};
Spread spread_ms(std::vector<double> seconds);

// Failed requests count no tokens and are in no spread.
struct ServingMetrics {
  double duration_s = 0;
  int64_t completed = 0;
  int64_t total_input = 0;                            // as asked for
  int64_t total_output = 0;                           // as the server counts
  std::optional<int64_t> total_output_retokenized{};  // as this client's tokenizer does
  double request_throughput = 0, input_throughput = 0, output_throughput = 0, total_throughput = 0;
  Spread e2e{}, ttft{}, tpot{}, itl{};
  double concurrency = 0;                    // requests in flight, on average
  std::optional<double> accept_length{};     // tokens of a speculative step
  double max_output_tokens_per_s = 0;        // of the best second
  int max_concurrent_requests = 0;           // touching one second
  std::vector<int64_t> tokens_per_second{};  // from the first request's start on
};

ServingMetrics serving_metrics(std::span<const RequestRecord> records, double duration_s);

}  // namespace glint
