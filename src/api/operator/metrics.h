#pragma once

#include <string>

#include "api/request_metrics.h"
#include "api/server_context.h"
#include "engine/stats.h"
#include "scheduler/limits.h"

namespace glint {

struct MetricsInput {
  EngineStats stats;
  const RequestMetrics& requests;
  const SchedulerLimits& limits;
  const MemoryUse& memory;
  const StartupTimes& startup;
  std::string model_name;
};

// Prometheus' text exposition format, version 0.0.4, under SGLang's names and under vLLM's, so that
// dashboards and gateways made for either work. docs/metrics.md is its table.
std::string metrics_text(const MetricsInput& input);

}  // namespace glint
