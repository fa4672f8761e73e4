#pragma once

// One safetensors file: a length, a JSON header, the tensors' bodies.
//
//   8 bytes   N, little-endian
//   N bytes   {"__metadata__": {...}, "<name>": {"dtype": "BF16", "shape": [..],
//              "data_offsets": [begin, end]}, ...}      offsets from the end of the header
//   the rest  bodies, row-major, without holes or overlaps
//
// Format: https://github.com/huggingface/safetensors, README, "Format".

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace glint {

enum class TensorType { kF32, kF16, kBf16 };
std::string_view to_string(TensorType type);  // as in the files: "F32", "F16", "BF16"
int64_t num_bytes(TensorType type);           // of one element

struct Tensor {
  std::string name;
  std::string file;  // for messages
  TensorType type = TensorType::kBf16;
  std::vector<int64_t> shape;       // outermost first; empty for a scalar
  std::span<const std::byte> data;  // in the mapping: valid as long as the Checkpoint. Not always
                                    // aligned for its type: read it with memcpy
  int64_t num_elements() const;
};

// The tensors of a file whose bytes are `file`, in the order of their bodies; their data are spans
// of it. Nothing in the file is trusted: every length, offset, size and name is checked, and the
// Error (kStartup) names `name`, the tensor, what was found and what was expected.
Result<std::vector<Tensor>> parse_safetensors(std::span<const std::byte> file,
                                              std::string_view name);

}  // namespace glint
