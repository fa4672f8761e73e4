// The whole server around a model that answers at once: what is measured here is everything else.
// Port 0 takes any free one; "listening on http://…" goes to stderr. Ends on SIGTERM.
//
//   null_server [PORT [HTTP_THREADS]]

#include <signal.h>

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

int run(uint16_t port, int num_threads) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  const SteadyClock clock;
  Engine engine(limits(), std::make_unique<NullModelRunner>(tiny_num_tokens()), clock);
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
  return glint::run(static_cast<uint16_t>(port), num_threads);
}
