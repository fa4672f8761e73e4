#pragma once

// The real engine, scheduler and KV bookkeeping under random traffic, with a fake model and clock.
// After every step everything that must hold is checked.

#include <cstdint>
#include <string>

namespace glint::sim {

// What one seed saw, to show that the traffic reaches the hard cases.
struct Coverage {
  int64_t requests = 0, refusals = 0, cancels = 0, retractions = 0, steps = 0;
  int64_t cached_tokens = 0, evicted_tokens = 0, bad_numbers = 0, stops = 0;
  int64_t pauses = 0;
};

// The first violation, with the step in which it was seen; empty if all held.
std::string simulate(uint64_t seed, Coverage& coverage);

}  // namespace glint::sim
