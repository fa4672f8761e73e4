#pragma once

// Memory of a backend full of random numbers: zeros would make a GPU faster than it is, as they
// draw less power.

#include <cstdint>
#include <vector>

#include "backend/backend.h"

namespace glint {

// Normal BF16 numbers. Read as FP32 they are normal too: the upper half of one decides.
class RandomNumbers {
 public:
  explicit RandomNumbers(float sigma);
  void fill(Backend& backend, void* data, int64_t bytes) const;

 private:
  std::vector<bf16> block_;  // repeated
};

// Several sets of weights or KV rows, which a bench walks in turn so that no cache holds the next.
// One block for all ops, one after the other: it is filled again only when it grows.
class RandomArena {
 public:
  RandomArena(Backend& backend, float sigma) : backend_(backend), numbers_(sigma) {}
  // Null if there is not enough memory. What was given before is lost when it grows.
  char* at_least(int64_t bytes);

 private:
  Backend& backend_;
  RandomNumbers numbers_;
  Buffer buffer_;
};

}  // namespace glint
