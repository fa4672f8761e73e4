#pragma once

#include <string>

#include "api/latency.h"
#include "engine/stats.h"

namespace glint {

struct MetricsInput {
  EngineStats stats;
  const Latency& latency;
  std::string model_name;
  int page_size = 0;
  int context_length = 0;
  int max_running_requests = 0;
};

// Prometheus' text exposition format, version 0.0.4, under SGLang's names and under vLLM's, so that
// dashboards and gateways made for either work.
std::string metrics_text(const MetricsInput& input);

}  // namespace glint
