#pragma once

// The random numbers that SGLang's bench_serving draws, bit for bit, so that the same seed gives
// the same requests: numpy's legacy generator (numpy.random.seed) for lengths and arrivals,
// Python's own (random.seed) for the order of conversations.

#include <cstdint>
#include <random>
#include <utility>
#include <vector>

namespace glint {

// numpy.random.RandomState(seed): MT19937 seeded by init_genrand.
class NumpyRandom {
 public:
  explicit NumpyRandom(uint32_t seed) : engine_(seed) {}

  // randint(low, high): uniform on low ... high - 1, for high - low at most 2^32. 32-bit outputs,
  // masked to the smallest 2^k - 1 that holds the range, those outside drawn again.
  int64_t randint(int64_t low, int64_t high);
  std::vector<int64_t> randint(int64_t low, int64_t high, size_t count);
  double uniform();                  // random_sample(): [0, 1), 53 bits
  double exponential(double scale);  // legacy: -log(1 - uniform()) * scale

 private:
  std::mt19937 engine_;
};

// random.Random(seed) of Python 3: MT19937 seeded by init_by_array.
class PythonRandom {
 public:
  explicit PythonRandom(uint32_t seed);

  uint32_t below(uint32_t bound);  // randrange(bound), bound >= 1
  double random();                 // [0, 1), 53 bits

  template <typename T>
  void shuffle(std::vector<T>& items) {
    for (size_t i = items.size(); i-- > 1;)
      std::swap(items[i], items[below(static_cast<uint32_t>(i + 1))]);
  }

 private:
  std::mt19937 engine_;
};

}  // namespace glint
