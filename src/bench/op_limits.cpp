#include "bench/op_limits.h"

#include <algorithm>
#include <vector>

#include "model/gpu_table.h"

namespace glint {

const GpuLimits* find_limits(std::string_view gpu_name) {
  static const std::vector<GpuLimits> limits = [] {
    std::vector<GpuLimits> measured;
    for (const GpuInfo& gpu : gpu_table())
      if (gpu.is_measured())
        measured.push_back({gpu.name, gpu.measured.bytes_per_s, gpu.measured.flops_per_s});
    return measured;
  }();
  const auto found = std::ranges::find(limits, gpu_name, &GpuLimits::gpu);
  return found == limits.end() ? nullptr : &*found;
}

double GpuLimits::microseconds(const OpCost& cost) const {
  return 1e6 * std::max(cost.bytes / bytes_per_s, cost.flops / flops_per_s);
}

}  // namespace glint
