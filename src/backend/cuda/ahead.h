#pragma once

// Memory that later kernels read, for a kernel that leaves the memory time to bring it into the L2
// cache.

#include <cstddef>
#include <cstdint>

namespace glint::cuda {

struct Ahead {
  static constexpr int kMost = 4;
  struct Range {
    const char* data;  // aligned to 16 bytes
    int64_t bytes;     // a multiple of 16
  };
  Range ranges[kMost];
  int count = 0;

  // Forgotten where there are kMost already, or where the copy engine would not take it.
  void add(const void* data, size_t bytes) {
    if (count == kMost || reinterpret_cast<uintptr_t>(data) % 16 != 0) return;
    ranges[count++] = {static_cast<const char*>(data), static_cast<int64_t>(bytes / 16 * 16)};
  }
};

}  // namespace glint::cuda
