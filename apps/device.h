#pragma once

// Which device computes: a usable GPU, else the CPU for models small enough to be bearable there.

#include <cstdint>
#include <memory>
#include <string>

#include "backend/backend.h"
#include "base/result.h"
#include "configure/questions.h"

namespace glint {

// Without a usable GPU, models whose weights are below this run on the CPU unasked.
inline constexpr int64_t kCpuModelBytes = 1'000'000'000;

struct Device {
  std::unique_ptr<Backend> backend;
  // A GPU's; all empty for the CPU.
  std::string gpu_name;
  int64_t memory_bytes = 0;
  int64_t used_by_others_bytes = 0;

  bool is_gpu() const { return !gpu_name.empty(); }
};

// From here on the process sees of its GPUs the one with this number alone, in the order of
// CUDA_VISIBLE_DEVICES where that is set. Before anything asks the driver. 0 changes nothing. The
// Error (kStartup) says how many that variable names.
Result<void> use_gpu(int base_gpu_id);

// `wanted`: auto, cpu or cuda. Says on stderr which it is if that was left open. The Error
// (kStartup) says what was found and what is needed. `num_threads` of the CPU backend; 0: all
// cores.
Result<Device> open_device(const std::string& wanted, int64_t weights_bytes, int num_threads);

// Why this program cannot compute on a GPU here, in half a sentence; empty if it can.
std::string why_no_gpu();

// The first GPU that the driver knows, and whether this program was built to use it.
Machine this_machine();

}  // namespace glint
