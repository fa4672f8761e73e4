#pragma once

#include <cstdint>

namespace glint {

// What loading the model took, and what it holds now.
struct ServerFacts {
  int64_t weight_bytes = 0;
  int64_t kv_cache_bytes = 0;
  double load_weights_s = 0;
  double startup_s = 0;  // from the command to the open port
};

}  // namespace glint
