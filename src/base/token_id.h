#pragma once

#include <cstdint>

namespace glint {

// An index into the model's vocabulary, 0 ... vocab_size - 1.
using TokenId = int32_t;

}  // namespace glint
