#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace glint {

struct FoundGpu {
  std::string name;
  int64_t memory_bytes = 0;
  int compute_capability = 0;  // 90: Hopper
};

struct GpuProbe {
  int driver_version = 0;  // CUDA version the driver supports, 13000 is 13.0; 0: no driver
  std::string problem;     // why no GPU can be used; empty if one can
  std::vector<FoundGpu> gpus;
  bool has_cublas_lt = false;
};

// Asks the driver, opened with dlopen: works, and says what is missing, on every machine.
GpuProbe probe_gpus();

}  // namespace glint
