#pragma once

// GPUs that a plan can be made for without one being there.

#include <cstdint>
#include <string_view>
#include <vector>

namespace glint {

struct GpuRates {
  double bytes_per_s = 0;
  double flops_per_s = 0;  // BF16 on the tensor cores, dense
};

struct GpuInfo {
  std::string_view name;  // as the driver says it
  std::string_view short_name;
  int64_t memory_bytes = 0;  // total, as cuDeviceTotalMem reports it: what ECC and the driver leave
  int compute_capability = 0;  // 90: Hopper, 100: Blackwell
  GpuRates data_sheet{};       // Hopper's: NVIDIA's, half of what they say with sparsity
  // At best; 0: not measured. A streaming read of 8 GB; products of cuBLAS, and causal attention of
  // cuDNN, at the model's shapes and thousands of rows (585-720 and 660 TFLOP/s).
  GpuRates measured{};

  bool is_measured() const { return measured.bytes_per_s > 0; }
};

// At best: as measured, else as much of its data sheet's as the table's first card has. Zeros for
// another architecture than that one's.
GpuRates best_rates(const GpuInfo& gpu);

const std::vector<GpuInfo>& gpu_table();

// By name, short name or a part of one ("h100"), in any case; the first in the table that fits.
// Null for an unknown one.
const GpuInfo* find_gpu(std::string_view name);
// By the whole name, as the driver says it.
const GpuInfo* gpu_of_driver_name(std::string_view name);

}  // namespace glint
