#include "api/server_context.h"

#include <chrono>
#include <random>
#include <utility>

namespace glint {
namespace {

uint64_t unpredictable_seed() {
  std::random_device device;
  return (uint64_t{device()} << 32) ^ device();
}

}  // namespace

// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA
// 2014): its state is a plain counter, so an atomic add is all that threads share.
uint64_t RandomSource::next() {
  constexpr uint64_t kGoldenGamma = 0x9E3779B97F4A7C15;
  uint64_t z = state_.fetch_add(kGoldenGamma, std::memory_order_relaxed) + kGoldenGamma;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

std::string RandomSource::next_hex(int num_digits) {
  std::string hex;
  uint64_t bits = 0;
  for (int i = 0; i < num_digits; ++i) {
    if (i % 16 == 0) bits = next();
    hex += "0123456789abcdef"[bits & 15];
    bits >>= 4;
  }
  return hex;
}

ServerContext::ServerContext(ApiOptions api_options, ModelConfig model_config,
                             Engine& serving_engine, const Clock& steady_clock)
    : options(std::move(api_options)),
      config(std::move(model_config)),
      engine(serving_engine),
      clock(steady_clock),
      started_unix_s(unix_time_s()),
      seeds(options.random_seed),
      ids(unpredictable_seed()) {}

int64_t unix_time_s() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

}  // namespace glint
