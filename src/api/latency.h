#pragma once

// How long requests took, as Prometheus histograms. Written by HTTP threads without a lock.

#include "base/histogram.h"

namespace glint {

// SGLang's first bound of a first token's time is 100 ms; most of ours come sooner.
inline constexpr double kFirstTokenBoundsS[] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2,
                                                0.4,   0.6,    0.8,   1,    2,     4,    6,   8,
                                                10,    20,     40,    60,   80,    100,  200, 400};
inline constexpr double kInterTokenBoundsS[] = {
    0.001, 0.002, 0.004, 0.006, 0.008, 0.01, 0.015, 0.02, 0.025, 0.03, 0.035, 0.04,
    0.06,  0.08,  0.1,   0.2,   0.4,   0.6,  0.8,   1,    2,     4,    6,     8};
inline constexpr double kRequestBoundsS[] = {0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6,  0.8,
                                             1,    2,     4,    6,   8,   10,  20,   40,
                                             60,   80,    100,  200, 400, 600, 1200, 2400};

struct Latency {
  Histogram time_to_first_token{kFirstTokenBoundsS};
  Histogram inter_token{kInterTokenBoundsS};
  Histogram request{kRequestBoundsS};
};

}  // namespace glint
