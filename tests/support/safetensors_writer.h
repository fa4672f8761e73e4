#pragma once

// Writes safetensors files, also damaged ones and ones with holes for bodies: for tests alone.
// Format: https://github.com/huggingface/safetensors, README, "Format".

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace glint {

struct SafetensorsEntry {
  std::string name;
  std::string dtype;  // as the file has it: "BF16", "F32", ...
  std::vector<int64_t> shape;
  uint64_t num_bytes = 0;
};

// The length field and the JSON of a header with `entries` one after another, padded with blanks to
// a multiple of 8 as the safetensors package does it.
std::string safetensors_header(const std::vector<SafetensorsEntry>& entries);
// A header whose JSON is given: for headers that say wrong things.
std::string safetensors_header(std::string_view json);

Result<void> write_file(const std::filesystem::path& path, std::string_view bytes);
// The header, then a hole of the bodies' size: the file takes a few KB on the disk.
Result<void> write_sparse_safetensors(const std::filesystem::path& path,
                                      const std::vector<SafetensorsEntry>& entries);

}  // namespace glint
