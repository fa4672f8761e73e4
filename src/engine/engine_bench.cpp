// engine_bench: what the engine itself costs, with a model that answers at once.
//
// Prints, for some numbers of sequences running at the same time: tokens a second, and microseconds
// a step.

#include <cstdio>
#include <memory>

#include "engine/engine.h"
#include "engine/null_model_runner.h"

namespace glint {
namespace {

SchedulerLimits limits_for(int num_sequences) {
  SchedulerLimits limits;
  limits.num_pages = num_sequences * 40;
  limits.max_running_requests = num_sequences;
  limits.context_length = 4096;
  return limits;
}

void measure(int num_sequences, int num_steps) {
  const SteadyClock clock;
  Engine engine(limits_for(num_sequences), std::make_unique<NullModelRunner>(1000), clock);
  int64_t num_tokens = 0;
  for (int i = 0; i < num_sequences; ++i) {
    GenerateRequest request;
    request.prompt = std::vector<TokenId>(512, static_cast<TokenId>(i));
    request.max_tokens = num_steps;
    const auto id = engine.submit(request, [&](TokenEvent&& event) {
      num_tokens += static_cast<int64_t>(event.tokens.size());
    });
    if (!id.has_value()) return void(std::fprintf(stderr, "%s\n", id.error().message.c_str()));
  }
  const double begin_s = clock.now_s();
  while (engine.step()) {
  }
  const double elapsed_s = clock.now_s() - begin_s;
  std::printf("%9d %12.0f %10.2f\n", num_sequences, static_cast<double>(num_tokens) / elapsed_s,
              1e6 * elapsed_s / static_cast<double>(engine.stats().steps_total));
}

}  // namespace
}  // namespace glint

int main() {
  std::printf("%9s %12s %10s\n", "sequences", "tokens/s", "us/step");
  for (const int num_sequences : {1, 8, 64, 256}) glint::measure(num_sequences, 2000);
}
