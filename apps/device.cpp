#include "apps/device.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <utility>
#include <vector>

#include "apps/gpu_probe.h"
#include "backend/cpu/cpu_backend.h"
#ifdef GLINT_CUDA
#include "backend/cuda/cuda_backend.h"
#endif

namespace glint {
namespace {

Error startup(std::string message) { return {ErrorCode::kStartup, std::move(message)}; }

#ifdef GLINT_CUDA
Result<Device> open_gpu() {
  Device device;
  device.backend = TRY(make_cuda_backend());
  const CudaMemory memory = cuda_memory();
  device.gpu_name = memory.gpu_name;
  device.memory_bytes = memory.total_bytes;
  device.used_by_others_bytes = memory.used_by_others_bytes;
  return device;
}
#else
Result<Device> open_gpu() {
  const GpuProbe probe = probe_gpus();
  const std::string found = probe.gpus.empty() ? cat("No GPU can be used: ", probe.problem)
                                               : cat("There is ", probe.gpus[0].name);
  return startup(found + "; and this build has no CUDA backend.");
}
#endif

// For a sentence that goes on after it.
std::string without_period(std::string sentence) {
  if (sentence.ends_with('.')) sentence.pop_back();
  return sentence;
}

Device open_cpu(int num_threads) {
  Device device;
  device.backend = make_cpu_backend(num_threads);
  return device;
}

}  // namespace

Result<void> use_gpu(int base_gpu_id) {
  if (base_gpu_id == 0) return {};
  constexpr const char* kVariable = "CUDA_VISIBLE_DEVICES";
  const char* visible = std::getenv(kVariable);
  if (visible == nullptr || *visible == '\0') {
    setenv(kVariable, cat(base_gpu_id).c_str(), 1);
    return {};
  }
  std::vector<std::string> gpus;
  std::istringstream list{std::string(visible)};
  for (std::string gpu; std::getline(list, gpu, ',');) gpus.push_back(gpu);
  if (base_gpu_id >= static_cast<int>(gpus.size()))
    return startup(cat("--base-gpu-id is ", base_gpu_id, "; CUDA_VISIBLE_DEVICES names ",
                       gpus.size(), ": ", visible, ". Numbers begin at 0."));
  setenv(kVariable, gpus[static_cast<size_t>(base_gpu_id)].c_str(), 1);
  return {};
}

Result<Device> open_device(const std::string& wanted, int64_t weights_bytes, int num_threads) {
  if (wanted != "auto" && wanted != "cpu" && wanted != "cuda")
    return startup(cat("--device is ", wanted, "; expected auto, cpu or cuda."));
  if (wanted == "cpu") return open_cpu(num_threads);
  Result<Device> gpu = open_gpu();
  if (gpu) return gpu;
  const std::string& problem = gpu.error().message;
  if (wanted == "cuda") {
    return startup(cat("--device cuda: ", problem,
                       " It needs an NVIDIA GPU and a build with CUDA; --device cpu computes on "
                       "the CPU."));
  }
  if (weights_bytes >= kCpuModelBytes) {
    return startup(cat("The model's weights are ", weights_bytes, " bytes. ", problem,
                       " Models of 1 GB and more need an NVIDIA GPU and a build with CUDA; "
                       "--device cpu computes on the CPU all the same, slowly."));
  }
  std::fprintf(stderr, "device: CPU. %s\n", problem.c_str());
  return open_cpu(num_threads);
}

std::string why_no_gpu() {
  Result<Device> gpu = open_gpu();
  return gpu ? "" : without_period(gpu.error().message);
}

Machine this_machine() {
  const GpuProbe probe = probe_gpus();
  Machine machine{.gpu_name = probe.gpus.empty() ? "" : probe.gpus[0].name};
#ifdef GLINT_CUDA
  machine.has_cuda = true;
#endif
  return machine;
}

}  // namespace glint
