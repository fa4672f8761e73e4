#pragma once

// GPUs that a memory plan can be made for without one being there.

#include <cstdint>
#include <string_view>
#include <vector>

namespace glint {

struct GpuInfo {
  std::string_view name;  // as the driver says it
  std::string_view short_name;
  int64_t memory_bytes = 0;  // total, as cuDeviceTotalMem reports it: what ECC and the driver leave
  int compute_capability = 0;  // 90: Hopper, 100: Blackwell
};

const std::vector<GpuInfo>& gpu_table();

// By name, short name or a part of one ("h100"), in any case; the first in the table that fits.
// Null for an unknown one.
const GpuInfo* find_gpu(std::string_view name);

}  // namespace glint
