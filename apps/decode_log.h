#pragma once

#include <chrono>
#include <cstdint>

#include "engine/stats.h"

namespace glint {

// SGLang's line about steps that decode: what runs and waits, how full the KV cache is, and how
// fast tokens have come since the line before.
class DecodeLog {
 public:
  void operator()(const EngineStats& stats);

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
  int64_t last_tokens_ = 0;
};

}  // namespace glint
