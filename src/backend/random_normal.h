#pragma once

// Random numbers as a function of (key, index), the same on every backend but for the last bit of
// its log and cos.

#include <cmath>
#include <cstdint>

#include "base/host_device.h"

namespace glint {

// SplitMix64's finaliser (Steele, Lea, Flood, OOPSLA 2014).
GLINT_HOST_DEVICE inline uint64_t mix_bits(uint64_t x) {
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
  x = (x ^ x >> 27) * 0x94d049bb133111ebu;
  return x ^ x >> 31;
}

// Standard normal (Box and Muller, 1958).
GLINT_HOST_DEVICE inline float random_normal(uint64_t key, int64_t index) {
  constexpr double kTwoPi = 6.283185307179586;
  const uint64_t bits = mix_bits(key + static_cast<uint64_t>(index) * 0x9e3779b97f4a7c15u);
  const double u = (static_cast<double>(bits >> 32) + 1) * 0x1p-32;  // (0, 1]
  const double v = static_cast<double>(bits & 0xffffffffu) * 0x1p-32;
  return static_cast<float>(std::sqrt(-2 * std::log(u)) * std::cos(kTwoPi * v));
}

}  // namespace glint
