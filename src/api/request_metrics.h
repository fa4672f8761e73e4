#pragma once

// What this server's requests took, as /metrics shows it: written on the connections' strands,
// without a lock. Each choice of an answer counts as a request of its own.

#include <array>
#include <atomic>
#include <cstdint>

#include "base/histogram.h"
#include "engine/event.h"

namespace glint {

// Those of SGLang and those of vLLM together, so that queries for either's buckets find them, and
// finer ones where both begin late.
inline constexpr double kFirstTokenBoundsS[] = {
    0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.2, 0.25, 0.4,
    0.5,   0.6,    0.75,  0.8,  1,    2,    2.5,  4,    5,   6,   7.5,  8,
    10,    20,     40,    60,   80,   100,  160,  200,  400, 640, 2560};
inline constexpr double kInterTokenBoundsS[] = {
    0.001, 0.002, 0.004, 0.006, 0.008, 0.01, 0.015, 0.02, 0.025, 0.03, 0.035, 0.04, 0.05,
    0.06,  0.075, 0.08,  0.1,   0.15,  0.2,  0.3,   0.4,  0.5,   0.6,  0.75,  0.8,  1,
    2,     2.5,   4,     5,     6,     7.5,  8,     10,   20,    40,   80};
inline constexpr double kRequestBoundsS[] = {
    0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4,  0.5,  0.6,  0.8,  1,   1.5,
    2,     2.5,   4,    5,    6,    8,   10,  15,  20,   30,   40,   50,   60,  80,
    100,   120,   200,  240,  400,  480, 600, 960, 1200, 1800, 1920, 2400, 7680};
inline constexpr double kQueueBoundsS[] = {
    0,   0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3,  0.4,  0.5,  0.6,  0.8,  1,   1.5,
    2,   2.5,   3,     4,    5,    6,    8,   10,  15,   20,   30,   40,   50,   60,  80,
    100, 120,   200,   240,  400,  480,  600, 960, 1200, 1800, 1920, 2400, 3000, 7680};
inline constexpr double kTokensBounds[] = {
    1,     2,     5,     10,    20,    50,    100,   200,   300,    500,   700,   1000,
    1500,  2000,  3000,  4000,  5000,  6000,  7000,  8000,  9000,   10000, 12000, 15000,
    20000, 25000, 30000, 35000, 40000, 50000, 60000, 80000, 100000, 200000};
inline constexpr double kChoicesBounds[] = {1, 2, 5, 10, 20};
inline constexpr double kRetractionsBounds[] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,
                                                10, 15, 20, 25, 30, 40, 50, 75, 100};

struct RequestMetrics {
  // From the HTTP request's last byte to the choice's first token, and to its end.
  Histogram time_to_first_token{kFirstTokenBoundsS};
  Histogram request{kRequestBoundsS};
  Histogram inter_token{kInterTokenBoundsS};

  // By stage, on the engine's clock: HTTP request ─▶ submitted ─▶ started ─▶ first ─▶ last token.
  Histogram tokenize{kRequestBoundsS};
  Histogram queue{kQueueBoundsS};
  Histogram prefill{kRequestBoundsS};
  Histogram decode{kRequestBoundsS};
  Histogram inference{kRequestBoundsS};  // prefill and decode

  // Of requests that ended by themselves.
  Histogram prompt_tokens{kTokensBounds};
  Histogram generation_tokens{kTokensBounds};
  Histogram max_tokens{kTokensBounds};  // as asked for
  Histogram retractions{kRetractionsBounds};
  // Of prompts all of whose choices did.
  Histogram num_choices{kChoicesBounds};
  Histogram longest_choice_tokens{kTokensBounds};

  // As `usage` counts them, as they are sent.
  std::atomic<uint64_t> prompt_tokens_total = 0, cached_tokens_total = 0;
  std::atomic<uint64_t> generation_tokens_total = 0;
  std::array<std::atomic<uint64_t>, 4> ended{};  // by FinishReason

  uint64_t num_ended(FinishReason reason) const {
    return ended[static_cast<size_t>(reason)].load(std::memory_order_relaxed);
  }
};

}  // namespace glint
