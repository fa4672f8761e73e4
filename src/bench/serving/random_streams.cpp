#include "bench/serving/random_streams.h"

#include <array>
#include <bit>
#include <cmath>

#include "base/check.h"

namespace glint {
namespace {

// Both generators make a double of two outputs: 27 and 26 bits.
double fraction(std::mt19937& engine) {
  const auto high = static_cast<uint32_t>(engine()) >> 5;
  const auto low = static_cast<uint32_t>(engine()) >> 6;
  return (high * 67108864.0 + low) / 9007199254740992.0;
}

// MT19937's init_by_array with a key of one word (Matsumoto and Nishimura, mt19937ar.c), as the
// seed sequence that std::mt19937 takes its whole state from.
class InitByArray {
 public:
  using result_type = uint32_t;

  explicit InitByArray(uint32_t key) {
    constexpr uint32_t kSize = 624;
    state_[0] = 19650218;
    for (uint32_t i = 1; i < kSize; ++i) state_[i] = 1812433253 * mixed(i - 1) + i;
    uint32_t i = 1;
    for (uint32_t k = 0; k < kSize; ++k, next(i))
      state_[i] = (state_[i] ^ (mixed(i - 1) * 1664525)) + key;
    for (uint32_t k = 1; k < kSize; ++k, next(i))
      state_[i] = (state_[i] ^ (mixed(i - 1) * 1566083941)) - i;
    state_[0] = 0x80000000;
  }
  template <typename Iterator>
  void generate(Iterator begin, Iterator end) const {
    for (size_t i = 0; begin != end; ++begin, ++i) *begin = state_[i];
  }

 private:
  uint32_t mixed(uint32_t i) const { return state_[i] ^ (state_[i] >> 30); }
  void next(uint32_t& i) {
    if (++i < state_.size()) return;
    state_[0] = state_.back();
    i = 1;
  }

  std::array<uint32_t, 624> state_;
};

std::mt19937 python_engine(uint32_t seed) {
  InitByArray sequence(seed);
  return std::mt19937(sequence);
}

}  // namespace

int64_t NumpyRandom::randint(int64_t low, int64_t high) {
  CHECK(low < high && high - low <= int64_t{1} << 32, "randint(", low, ", ", high, ")");
  const auto range = static_cast<uint64_t>(high - low - 1);
  if (range == 0) return low;  // draws nothing
  const uint64_t mask = std::bit_ceil(range + 1) - 1;
  uint64_t value = engine_() & mask;
  while (value > range) value = engine_() & mask;
  return low + static_cast<int64_t>(value);
}

std::vector<int64_t> NumpyRandom::randint(int64_t low, int64_t high, size_t count) {
  std::vector<int64_t> values(count);
  for (int64_t& value : values) value = randint(low, high);
  return values;
}

double NumpyRandom::uniform() { return fraction(engine_); }

double NumpyRandom::exponential(double scale) { return -std::log(1.0 - uniform()) * scale; }

PythonRandom::PythonRandom(uint32_t seed) : engine_(python_engine(seed)) {}

uint32_t PythonRandom::below(uint32_t bound) {
  CHECK(bound >= 1, "a number below 0");
  const int shift = 32 - std::bit_width(bound);
  uint32_t value = static_cast<uint32_t>(engine_()) >> shift;
  while (value >= bound) value = static_cast<uint32_t>(engine_()) >> shift;
  return value;
}

double PythonRandom::random() { return fraction(engine_); }

}  // namespace glint
