#include "configure/expected_speed.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "bench/step_limit.h"
#include "model/gpu_table.h"
#include "model/step_cost.h"

namespace glint {
namespace {

struct Measured {
  int rows;
  double step_ms;
};
// Inter-token latencies of one card with the full model, docs/performance.md: 512 tokens in, 256
// out, so 640 in the middle of an answer.
struct MeasuredGpu {
  std::string_view gpu, commit;
  Measured steps[4];
};
constexpr MeasuredGpu kMeasured[] = {
    {"NVIDIA H100 80GB HBM3", "4de60f9", {{1, 4.74}, {16, 16.5}, {64, 24.6}, {100, 26.0}}},
    {"NVIDIA H200", "3078ee5", {{1, 2.90}, {16, 10.62}, {64, 16.20}, {100, 17.01}}},
};
constexpr int kMeasuredContext = 640;

constexpr int kChunk = 8192;  // of a prompt, on a GPU

// The first where glint has not been timed on this one.
const MeasuredGpu& measured_on(std::string_view gpu_name) {
  const auto* found = std::ranges::find(kMeasured, gpu_name, &MeasuredGpu::gpu);
  return found == std::end(kMeasured) ? kMeasured[0] : *found;
}

double measured_share(const ModelConfig& config, const MeasuredGpu& gpu, const Measured& measured) {
  const GpuLimits& limits = *find_limits(gpu.gpu);
  return decode_limit_ms(config, limits, measured.rows, kMeasuredContext) / measured.step_ms;
}

// Between two measured counts on a logarithmic scale; beyond the last, as there.
double share_of_limit(const ModelConfig& config, const MeasuredGpu& gpu, int rows) {
  const Measured* before = &gpu.steps[0];
  for (const Measured& next : gpu.steps) {
    if (rows > next.rows) {
      before = &next;
      continue;
    }
    const double high = measured_share(config, gpu, next);
    if (next.rows == before->rows) return high;
    const double at =
        std::log(double{1} * rows / before->rows) / std::log(double{1} * next.rows / before->rows);
    const double low = measured_share(config, gpu, *before);
    return low + at * (high - low);
  }
  return measured_share(config, gpu, *before);
}

// Each chunk reads the weights once.
double first_token_ms(const ModelConfig& config, std::string_view gpu_name, int tokens) {
  const StepCost cost = gpu_step_cost(config, gpu_name);
  const double n = tokens, chunks = std::ceil(n / kChunk);
  return (chunks * cost.base_us + n * cost.per_token_us + n * n / 2 * cost.per_context_token_us) /
         1e3;
}

template <typename... Args>
std::string sentence(const char* format, Args... args) {
  char text[400];
  std::snprintf(text, sizeof text, format, args...);
  return text;
}

std::string source_of_rates(const GpuInfo& gpu) {
  if (gpu.is_measured()) return cat("both measured on one ", gpu.name);
  const GpuInfo& known = gpu_table().front();
  return sentence(
      "%.0f %% and %.0f %% of its data sheet's, which one %s was measured to reach of its own",
      100 * known.measured.bytes_per_s / known.data_sheet.bytes_per_s,
      100 * known.measured.flops_per_s / known.data_sheet.flops_per_s,
      std::string(known.name).c_str());
}

std::vector<std::string> conditions(const ExpectedSpeed& speed, const GpuInfo& gpu,
                                    const GpuLimits& limits, const MeasuredGpu& measured) {
  const std::string measured_gpu(measured.gpu), commit(measured.commit);
  std::vector<std::string> all = {
      sentence("%s to %d tokens; no prompt is computed beside %s. BF16, no speculation.",
               speed.rows == 1 ? "1 request decodes, and attends"
                               : cat(speed.rows, " requests decode at once, each attends").c_str(),
               speed.context, speed.rows == 1 ? "it" : "them"),
      sentence("At most: each op as long as its bytes take at %.2f TB/s or its FLOPs at %.0f "
               "TFLOP/s, %s. Experts chosen evenly at random.",
               limits.bytes_per_s / 1e12, limits.flops_per_s / 1e12, source_of_rates(gpu).c_str()),
      sentence("Expected: %.0f %% of that, which glint reached on one %s with 1 to 100 requests of "
               "%d tokens (commit %s).",
               100 * speed.share, measured_gpu.c_str(), kMeasuredContext, commit.c_str()),
      sentence(
          "First token: a prompt of %d tokens alone, in chunks of %d, nothing of it cached, by "
          "the rates that one %s reached%s.",
          speed.context, kChunk, measured_gpu.c_str(),
          gpu.is_measured() ? "" : ", in proportion to the data sheets")};
  if (speed.rows > std::end(measured.steps)[-1].rows)
    all.push_back("More than 100 requests have not been measured: the share is that of 100.");
  if (limits.gpu != measured.gpu)
    all.push_back(cat("glint has not been timed on ", limits.gpu, ": the shares are those of ",
                      measured.gpu, "."));
  return all;
}

}  // namespace

std::optional<ExpectedSpeed> expected_speed(const ModelConfig& config, std::string_view gpu_name,
                                            int rows, int context) {
  const GpuInfo* gpu = gpu_of_driver_name(gpu_name);
  if (gpu == nullptr || rows < 1) return {};
  const GpuRates rates = best_rates(*gpu);
  if (rates.bytes_per_s == 0) return {};
  const GpuLimits limits = {gpu->name, rates.bytes_per_s, rates.flops_per_s};
  ExpectedSpeed speed{.rows = rows, .context = context, .conditions = {}};
  speed.limit_step_ms = decode_limit_ms(config, limits, rows, context);
  const MeasuredGpu& measured = measured_on(gpu_name);
  speed.share = share_of_limit(config, measured, rows);
  speed.step_ms = speed.limit_step_ms / speed.share;
  speed.first_token_ms = first_token_ms(config, gpu_name, context);
  speed.conditions = conditions(speed, *gpu, limits, measured);
  return speed;
}

}  // namespace glint
