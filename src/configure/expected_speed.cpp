#include "configure/expected_speed.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "bench/step_limit.h"
#include "model/step_cost.h"

namespace glint {
namespace {

// Inter-token latencies of one H100 with the full model, docs/performance.md: 512 tokens in, 256
// out, so 640 in the middle of an answer.
struct Measured {
  int rows;
  double step_ms;
};
constexpr Measured kMeasured[] = {{1, 4.74}, {16, 16.5}, {64, 24.6}, {100, 26.0}};
constexpr int kMeasuredContext = 640;
constexpr char kMeasuredGpu[] = "NVIDIA H100 80GB HBM3";
constexpr char kMeasuredCommit[] = "4de60f9";

constexpr int kChunk = 8192;  // of a prompt, on a GPU

double measured_share(const ModelConfig& config, const Measured& measured) {
  const GpuLimits& limits = *find_limits(kMeasuredGpu);
  return decode_limit_ms(config, limits, measured.rows, kMeasuredContext) / measured.step_ms;
}

// Between two measured counts on a logarithmic scale; beyond the last, as there.
double share_of_limit(const ModelConfig& config, int rows) {
  const Measured* before = &kMeasured[0];
  for (const Measured& next : kMeasured) {
    if (rows > next.rows) {
      before = &next;
      continue;
    }
    const double high = measured_share(config, next);
    if (next.rows == before->rows) return high;
    const double at =
        std::log(double{1} * rows / before->rows) / std::log(double{1} * next.rows / before->rows);
    const double low = measured_share(config, *before);
    return low + at * (high - low);
  }
  return measured_share(config, *before);
}

// Each chunk reads the weights once.
double first_token_ms(const ModelConfig& config, int tokens) {
  const StepCost cost = gpu_step_cost(config);
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

std::vector<std::string> conditions(const ExpectedSpeed& speed, const GpuLimits& limits) {
  std::vector<std::string> all = {
      sentence("%d requests decode at once, each attends to %d tokens; no prompt is computed "
               "beside them. BF16, no speculation.",
               speed.rows, speed.context),
      sentence("At most: each op as long as its bytes take at %.2f TB/s or its FLOPs at %.0f "
               "TFLOP/s, both measured on one %s. Experts chosen evenly at random.",
               limits.bytes_per_s / 1e12, limits.flops_per_s / 1e12,
               std::string(limits.gpu).c_str()),
      sentence("Expected: %.0f %% of that, which glint reached on one %s with 1 to 100 requests of "
               "%d tokens (commit %s).",
               100 * speed.share, kMeasuredGpu, kMeasuredContext, kMeasuredCommit),
      sentence(
          "First token: a prompt of %d tokens alone, in chunks of %d, nothing of it cached, by "
          "the rates that one H100 reached.",
          speed.context, kChunk)};
  if (speed.rows > kMeasured[std::size(kMeasured) - 1].rows)
    all.push_back("More than 100 requests have not been measured: the share is that of 100.");
  if (limits.gpu != kMeasuredGpu)
    all.push_back(cat("glint has not been timed on ", limits.gpu, ": the shares are the H100's."));
  return all;
}

}  // namespace

std::optional<ExpectedSpeed> expected_speed(const ModelConfig& config, std::string_view gpu_name,
                                            int rows, int context) {
  const GpuLimits* limits = find_limits(gpu_name);
  if (limits == nullptr || rows < 1) return {};
  ExpectedSpeed speed{.rows = rows, .context = context, .conditions = {}};
  speed.limit_step_ms = decode_limit_ms(config, *limits, rows, context);
  speed.share = share_of_limit(config, rows);
  speed.step_ms = speed.limit_step_ms / speed.share;
  speed.first_token_ms = first_token_ms(config, context);
  speed.conditions = conditions(speed, *limits);
  return speed;
}

}  // namespace glint
