#pragma once

// Random limits and requests, small enough that everything collides: pages run short, prompts share
// prefixes, sequences end, stop and are cancelled in the middle of everything.

#include <random>
#include <vector>

#include "engine/request.h"
#include "scheduler/limits.h"

namespace glint::sim {

using Rng = std::mt19937_64;

inline int below(Rng& rng, int n) { return static_cast<int>(rng() % static_cast<uint64_t>(n)); }
inline bool one_in(Rng& rng, int n) { return below(rng, n) == 0; }

SchedulerLimits random_limits(Rng& rng);

class Workload {
 public:
  explicit Workload(Rng& rng);
  GenerateRequest next_request(const SchedulerLimits& limits);

 private:
  Rng& rng_;
  std::vector<std::vector<TokenId>> prefixes_;  // prompts begin with a part of one
  uint64_t num_requests_ = 0;
};

}  // namespace glint::sim
