#pragma once

#include <chrono>

namespace glint {

// The only source of time: tests and the simulation hand in their own.
class Clock {
 public:
  virtual ~Clock() = default;
  // Seconds since an arbitrary origin; never goes back.
  virtual double now_s() const = 0;
};

class SteadyClock final : public Clock {
 public:
  double now_s() const override {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }
};

}  // namespace glint
