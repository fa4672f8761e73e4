#include "model/gpu_table.h"

#include <algorithm>
#include <cctype>
#include <string>

namespace glint {
namespace {

constexpr int64_t mib(int64_t n) { return n << 20; }

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

}  // namespace

// Rates of one card of each, CUDA 13.0, driver 580, clocks as found, 2026-11-24.
const std::vector<GpuInfo>& gpu_table() {
  static const std::vector<GpuInfo> table = {
      {"NVIDIA H100 80GB HBM3", "H100", mib(81'079), 90, 3.10e12, 660e12},
      {"NVIDIA H100 PCIe", "H100 PCIe", mib(81'079), 90},
      {"NVIDIA H100 NVL", "H100 NVL", mib(95'335), 90},
      {"NVIDIA H200", "H200", mib(143'167), 90, 4.64e12, 660e12},
      {"NVIDIA GH200 480GB", "GH200", mib(96'768), 90},
      {"NVIDIA B200", "B200", mib(182'642), 100},
  };
  return table;
}

const GpuInfo* find_gpu(std::string_view name) {
  const std::string wanted = lower(name);
  if (wanted.empty()) return nullptr;
  const GpuInfo* part = nullptr;
  for (const GpuInfo& gpu : gpu_table()) {
    if (lower(gpu.short_name) == wanted || lower(gpu.name) == wanted) return &gpu;
    if (part == nullptr && lower(gpu.name).find(wanted) != std::string::npos) part = &gpu;
  }
  return part;
}

}  // namespace glint
