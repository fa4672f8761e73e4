#include "bench/op_limits.h"

#include <algorithm>
#include <vector>

namespace glint {

// Measured on one card of each, CUDA 13.0, driver 580, clocks as found, 2026-11-24: a streaming
// read of 8 GB; dense BF16 products of cuBLAS and causal attention of cuDNN at the model's shapes
// and thousands of rows (585-720 and 660 TFLOP/s).
const GpuLimits* find_limits(std::string_view gpu_name) {
  static const std::vector<GpuLimits> limits = {
      {"NVIDIA H100 80GB HBM3", 3.10e12, 660e12},
      {"NVIDIA H200", 4.64e12, 660e12},
  };
  const auto found = std::ranges::find(limits, gpu_name, &GpuLimits::gpu);
  return found == limits.end() ? nullptr : &*found;
}

double GpuLimits::microseconds(const OpCost& cost) const {
  return 1e6 * std::max(cost.bytes / bytes_per_s, cost.flops / flops_per_s);
}

}  // namespace glint
