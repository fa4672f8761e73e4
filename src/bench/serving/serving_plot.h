#pragma once

#include <span>
#include <string>
#include <vector>

#include "bench/serving/result_summary.h"
#include "bench/serving/serving_bench.h"

namespace glint {

// What is drawn of one run. Distributions are kept as their 0 … 100 % quantiles.
struct PlotRun {
  ResultSummary summary;
  std::vector<double> ttft_quantiles_ms, itl_quantiles_ms;
  std::vector<int64_t> tokens_per_second;
  double load = 0;  // requests in flight; without a limit of them, requests a second
};
PlotRun plot_run(const ServingReport& report);

// One HTML file, without a script or anything from outside: throughput against latency, the
// distributions of TTFT and ITL, tokens over time, and the figures. Runs of a sweep differ by load
// alone: they are in its order, and joined by a line.
std::string plot_html(std::span<const PlotRun> runs, std::string_view title, bool is_sweep = false);

}  // namespace glint
