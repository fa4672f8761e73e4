// The whole server around a model that answers at once: what is measured here is everything else.
// Port 0 takes any free one; "listening on http://…" goes to stderr. Ends on SIGTERM.
//
//   null_server [PORT [HTTP_THREADS [STEP_US]]]
//
// With STEP_US a step's tokens are there so long after those of the step before: a stream has an
// event for each of them, as a real model's does, where a model that answers at once fills each
// event with as many as came while the last one was sent.

#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <thread>

#include "api/routes.h"
#include "api/server_context.h"
#include "base/clock.h"
#include "engine/null_model_runner.h"
#include "http/server.h"
#include "tests/support/tiny_checkpoint.h"

namespace glint {
namespace {

SchedulerLimits limits() {
  SchedulerLimits limits;
  limits.num_pages = 1 << 16;
  limits.max_running_requests = 1024;
  limits.context_length = 1 << 17;
  return limits;
}

class PacedRunner final : public ModelRunner {
 public:
  explicit PacedRunner(std::chrono::microseconds step)
      : runner_(tiny_num_tokens()), step_(step), due_(Time::clock::now()) {}

  Ticket submit(StepInput input) override { return runner_.submit(std::move(input)); }
  StepOutput collect(Ticket ticket) override {
    due_ = std::max(due_ + step_, Time::clock::now());
    std::this_thread::sleep_until(due_);
    return runner_.collect(ticket);
  }

 private:
  using Time = std::chrono::steady_clock::time_point;
  NullModelRunner runner_;
  const std::chrono::microseconds step_;
  Time due_;  // of the last step's tokens
};

std::unique_ptr<ModelRunner> make_runner(int step_us) {
  if (step_us == 0) return std::make_unique<NullModelRunner>(tiny_num_tokens());
  return std::make_unique<PacedRunner>(std::chrono::microseconds(step_us));
}

int run(uint16_t port, int num_threads, int step_us) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  const SteadyClock clock;
  Engine engine(limits(), make_runner(step_us), clock);
  ApiOptions options;
  options.served_model_name = options.model_path = options.tokenizer_path = "null";
  ServerContext context(options, tiny_config(), engine, clock);
  context.tokenizer = *Tokenizer::parse(tiny_tokenizer_json(), "tiny");
  context.limits = limits();
  Result<std::unique_ptr<HttpServer>> server = HttpServer::listen(
      {.port = port, .num_threads = num_threads, .limits = {}}, make_router(context));
  if (!server) {
    std::fprintf(stderr, "error: %s\n", server.error().message.c_str());
    return 1;
  }
  std::thread engine_thread([&engine] { engine.run(); });
  (*server)->start();
  std::fprintf(stderr, "listening on http://127.0.0.1:%d\n", (*server)->port());
  int signal = 0;
  sigwait(&signals, &signal);
  (*server)->shutdown(/*grace_s=*/1);
  engine.stop();
  engine_thread.join();
  return 0;
}

}  // namespace
}  // namespace glint

int main(int argc, char** argv) {
  const int port = argc > 1 ? std::atoi(argv[1]) : 0;
  const int num_threads = argc > 2 ? std::atoi(argv[2]) : 2;
  const int step_us = argc > 3 ? std::atoi(argv[3]) : 0;
  return glint::run(static_cast<uint16_t>(port), num_threads, step_us);
}
