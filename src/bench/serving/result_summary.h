#pragma once

// Results as bench_serving appends them, ours or SGLang's, read back for tables, ratios and plots.

#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "bench/serving/serving_metrics.h"

namespace glint {

struct ResultSummary {
  std::string name;  // the tag, or what was sent: "random 1000/1000 c16"
  int64_t completed = 0, total_input = 0, total_output = 0;
  double duration_s = 0;
  double request_throughput = 0, output_throughput = 0, total_throughput = 0;
  double max_output_tokens_per_s = 0, concurrency = 0;
  Spread e2e{}, ttft{}, tpot{}, itl{};
};

// From a result object; what it lacks is 0.
ResultSummary summarize(const Json& result);

// A file of results, one a line. Infinity and NaN, which Python writes, are read as null.
Result<std::vector<Json>> read_results(const std::string& path);

// One side of a comparison.
struct ResultSide {
  std::string name;
  std::vector<ResultSummary> results;
};

// Markdown: for each result of `first` that `second` has too, by name (of several the last), their
// figures and the ratio. Above 1 the first is ahead: more tokens a second, or less time.
std::string comparison_table(const ResultSide& first, const ResultSide& second);

// Markdown: a line for each; latencies as mean / median / p99.
std::string figures_table(std::span<const ResultSummary> results);

}  // namespace glint
