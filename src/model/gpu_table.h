#pragma once

// GPUs that a plan can be made for without one being there.

#include <cstdint>
#include <string_view>
#include <vector>

namespace glint {

struct GpuInfo {
  std::string_view name;  // as the driver says it
  std::string_view short_name;
  int64_t memory_bytes = 0;  // total, as cuDeviceTotalMem reports it: what ECC and the driver leave
  int compute_capability = 0;  // 90: Hopper, 100: Blackwell
  // At best, as measured and not as the data sheet says; 0: not measured. A streaming read of 8 GB.
  double bytes_per_s = 0;
  // Dense BF16 products of cuBLAS, and causal attention of cuDNN, at the model's shapes and
  // thousands of rows (585-720 and 660 TFLOP/s).
  double flops_per_s = 0;

  bool is_measured() const { return bytes_per_s > 0; }
};

const std::vector<GpuInfo>& gpu_table();

// By name, short name or a part of one ("h100"), in any case; the first in the table that fits.
// Null for an unknown one.
const GpuInfo* find_gpu(std::string_view name);

}  // namespace glint
