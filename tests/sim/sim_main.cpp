// sim [--first N] [--seeds N] [--expect-violation]
//
// Simulates the seeds one after the other. Exit status 0 if everything held; with
// --expect-violation (a build with a planted bug), 0 if something did not.

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tests/sim/simulation.h"

namespace {

struct Options {
  uint64_t first = 0;
  uint64_t seeds = 200;
  bool expect_violation = false;
};

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--expect-violation") == 0) options.expect_violation = true;
    if (i + 1 == argc) break;
    if (std::strcmp(argv[i], "--first") == 0) options.first = std::strtoull(argv[++i], nullptr, 10);
    if (std::strcmp(argv[i], "--seeds") == 0) options.seeds = std::strtoull(argv[++i], nullptr, 10);
  }
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  glint::sim::Coverage coverage;
  for (uint64_t seed = options.first; seed < options.first + options.seeds; ++seed) {
    const std::string violation = glint::sim::simulate(seed, coverage);
    if (violation.empty()) continue;
    std::printf("seed %llu: %s\nagain: sim --first %llu --seeds 1\n",
                static_cast<unsigned long long>(seed), violation.c_str(),
                static_cast<unsigned long long>(seed));
    return options.expect_violation ? 0 : 1;
  }
  std::printf(
      "%llu seeds held: %lld requests, %lld refused, %lld cancelled, %lld steps, %lld retractions, "
      "%lld cached tokens, %lld evicted, %lld bad numbers, %lld stops, "
      "%lld pauses\n",
      static_cast<unsigned long long>(options.seeds), static_cast<long long>(coverage.requests),
      static_cast<long long>(coverage.refusals), static_cast<long long>(coverage.cancels),
      static_cast<long long>(coverage.steps), static_cast<long long>(coverage.retractions),
      static_cast<long long>(coverage.cached_tokens),
      static_cast<long long>(coverage.evicted_tokens), static_cast<long long>(coverage.bad_numbers),
      static_cast<long long>(coverage.stops), static_cast<long long>(coverage.pauses));
  return options.expect_violation ? 1 : 0;
}
