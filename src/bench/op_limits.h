#pragma once

// What a GPU does at best (model/gpu_table.h).

#include <string>
#include <string_view>

#include "bench/op_cost.h"

namespace glint {

struct GpuLimits {
  std::string_view gpu;  // as its driver names it
  double bytes_per_s = 0;
  double flops_per_s = 0;  // dense BF16

  // The least time for an op: its bytes or its FLOPs, whichever takes longer.
  double microseconds(const OpCost& cost) const;
};

// Null for a GPU that was not measured.
const GpuLimits* find_limits(std::string_view gpu_name);

}  // namespace glint
