#pragma once

// The JSON of a safetensors header, as it stands there: the grammar is checked, the numbers'
// meaning is not (safetensors.cpp).

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace glint {

struct HeaderEntry {
  std::string name;
  std::string dtype;
  std::vector<uint64_t> shape;
  uint64_t begin = 0, end = 0;  // data_offsets
};

// Refuses what JSON readers let pass: a name or field that comes twice, a missing or unknown field,
// a number that is negative or not whole. Memory is bounded by the text's size.
Result<std::vector<HeaderEntry>> parse_header_json(std::string_view json, std::string_view file);

}  // namespace glint
