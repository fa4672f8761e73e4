#include "apps/gpu_probe.h"

#include <dlfcn.h>

#include "base/check.h"

namespace glint {
namespace {

// The driver API's functions by their exported names; a CUdevice is an int, CUDA_SUCCESS is 0.
// Source: CUDA Driver API, sections "Initialization", "Version" and "Device Management".
template <typename F>
F* symbol(void* library, const char* name) {
  return reinterpret_cast<F*>(dlsym(library, name));
}

constexpr int kComputeCapabilityMajor = 75;  // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR
constexpr int kComputeCapabilityMinor = 76;

FoundGpu describe(void* driver, int device) {
  FoundGpu gpu;
  char name[256] = "";
  size_t bytes = 0;
  int major = 0, minor = 0;
  if (auto* get = symbol<int(char*, int, int)>(driver, "cuDeviceGetName")) {
    get(name, sizeof(name), device);
  }
  if (auto* get = symbol<int(size_t*, int)>(driver, "cuDeviceTotalMem_v2")) get(&bytes, device);
  if (auto* get = symbol<int(int*, int, int)>(driver, "cuDeviceGetAttribute")) {
    get(&major, kComputeCapabilityMajor, device);
    get(&minor, kComputeCapabilityMinor, device);
  }
  gpu.name = name;
  gpu.memory_bytes = static_cast<int64_t>(bytes);
  gpu.compute_capability = 10 * major + minor;
  return gpu;
}

void ask_driver(void* driver, GpuProbe& probe) {
  auto* init = symbol<int(unsigned)>(driver, "cuInit");
  auto* version = symbol<int(int*)>(driver, "cuDriverGetVersion");
  auto* count = symbol<int(int*)>(driver, "cuDeviceGetCount");
  if (init == nullptr || version == nullptr || count == nullptr) {
    probe.problem = "libcuda.so.1 is not a CUDA driver";
    return;
  }
  const int status = init(0);
  int num_gpus = 0;
  if (status != 0 || version(&probe.driver_version) != 0 || count(&num_gpus) != 0) {
    probe.problem = cat("the CUDA driver does not start (error ", status, ")");
    return;
  }
  for (int device = 0; device < num_gpus; ++device) probe.gpus.push_back(describe(driver, device));
  if (num_gpus == 0) probe.problem = "the CUDA driver sees no GPU";
}

}  // namespace

GpuProbe probe_gpus() {
  GpuProbe probe;
  // Both stay open: CUDA's libraries do not unload cleanly.
  if (void* driver = dlopen("libcuda.so.1", RTLD_NOW)) {
    ask_driver(driver, probe);
  } else {
    probe.problem = "no NVIDIA driver (libcuda.so.1 is not there)";
  }
  probe.has_cublas_lt = dlopen("libcublasLt.so.13", RTLD_LAZY) != nullptr;
  return probe;
}

}  // namespace glint
