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

// Measured are the rates of one card of each, CUDA 13.0, driver 580, clocks as found, 2026-11-24.
const std::vector<GpuInfo>& gpu_table() {
  static const std::vector<GpuInfo> table = {
      {"NVIDIA H100 80GB HBM3", "H100", mib(81'079), 90, {3.35e12, 989e12}, {3.10e12, 660e12}},
      {"NVIDIA H100 PCIe", "H100 PCIe", mib(81'079), 90, {2.0e12, 756e12}},
      {"NVIDIA H100 NVL", "H100 NVL", mib(95'335), 90, {3.9e12, 835e12}},
      {"NVIDIA H200", "H200", mib(143'167), 90, {4.8e12, 989e12}, {4.64e12, 660e12}},
      {"NVIDIA GH200 480GB", "GH200", mib(96'768), 90, {4.0e12, 989e12}},
      {"NVIDIA B200", "B200", mib(182'642), 100},
  };
  return table;
}

GpuRates best_rates(const GpuInfo& gpu) {
  if (gpu.is_measured()) return gpu.measured;
  const GpuInfo& known = gpu_table().front();
  if (gpu.compute_capability != known.compute_capability) return {};
  const double of_memory = known.measured.bytes_per_s / known.data_sheet.bytes_per_s;
  const double of_products = known.measured.flops_per_s / known.data_sheet.flops_per_s;
  return {of_memory * gpu.data_sheet.bytes_per_s, of_products * gpu.data_sheet.flops_per_s};
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

const GpuInfo* gpu_of_driver_name(std::string_view name) {
  const auto found = std::ranges::find(gpu_table(), name, &GpuInfo::name);
  return found == gpu_table().end() ? nullptr : &*found;
}

}  // namespace glint
