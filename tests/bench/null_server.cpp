// The whole server around a model that answers at once: what is measured here is everything else.
// Port 0 takes any free one; "listening on http://…" goes to stderr. Ends on SIGTERM.
//
//   null_server [PORT [HTTP_THREADS [STEP_US]]] [options: --help]
//
// With STEP_US a step's tokens are there so long after those of the step before: a stream has an
// event for each of them, as a real model's does, where a model that answers at once fills each
// event with as many as came while the last one was sent.

#include <signal.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <memory>
#include <thread>

#include "api/routes.h"
#include "api/server_context.h"
#include "base/clock.h"
#include "engine/null_model_runner.h"
#include "http/server.h"
#include "paced_runner.h"
#include "tests/support/tiny_checkpoint.h"

namespace glint {
namespace {

struct Options {
  uint16_t port = 0;
  int num_threads = 2;
  int step_us = 0;
  bool plain_text = false;
  std::string step_log;
  int max_running_requests = 1024;
  HttpLimits http{.idle_timeout_s = 3600};  // idle connections are what is measured
};

SchedulerLimits limits(const Options& options) {
  SchedulerLimits limits;
  limits.num_pages = 1 << 16;
  limits.max_running_requests = options.max_running_requests;
  limits.context_length = 1 << 17;
  return limits;
}

// The first 27 ids are the characters from ! to ;, each a text of its own.
int num_tokens(const Options& options) { return options.plain_text ? 27 : tiny_num_tokens(); }

void write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  file << text;
  if (!file.flush()) std::fprintf(stderr, "error: %s cannot be written\n", path.c_str());
}

int run(const Options& options) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  const SteadyClock clock;
  const SchedulerLimits scheduler_limits = limits(options);
  PacedRunner* paced = nullptr;
  std::unique_ptr<ModelRunner> runner;
  if (options.step_us == 0) {
    runner = std::make_unique<NullModelRunner>(num_tokens(options));
  } else {
    auto owned = std::make_unique<PacedRunner>(num_tokens(options),
                                               std::chrono::microseconds(options.step_us));
    paced = owned.get();
    runner = std::move(owned);
  }
  Engine engine(scheduler_limits, std::move(runner), clock);
  ApiOptions api;
  api.served_model_name = api.model_path = api.tokenizer_path = "null";
  ServerContext context(api, tiny_config(), engine, clock);
  context.tokenizer = *Tokenizer::parse(tiny_tokenizer_json(), "tiny");
  context.limits = scheduler_limits;
  Result<std::unique_ptr<HttpServer>> server = HttpServer::listen(
      {.port = options.port, .num_threads = options.num_threads, .limits = options.http},
      make_router(context));
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
  if (paced != nullptr && !options.step_log.empty()) write_file(options.step_log, paced->log());
  return 0;
}

}  // namespace
}  // namespace glint

int main(int argc, char** argv) {
  glint::Options options;
  CLI::App app("glint's whole server around a model that answers at once. Ends on SIGTERM.");
  app.add_option("port", options.port, "0: any free one");
  app.add_option("http_threads", options.num_threads)->check(CLI::PositiveNumber);
  app.add_option("step_us", options.step_us, "a step's tokens come so long after the last one's")
      ->check(CLI::NonNegativeNumber);
  app.add_flag("--plain-text", options.plain_text, "each token is one character, never held back");
  app.add_option("--step-log", options.step_log, "file for when steps were, at the end");
  app.add_option("--max-running-requests", options.max_running_requests)
      ->check(CLI::PositiveNumber);
  app.add_option("--max-unsent-bytes", options.http.max_unsent_bytes);
  app.add_option("--slow-reader-timeout-s", options.http.slow_reader_timeout_s);
  CLI11_PARSE(app, argc, argv);
  return glint::run(options);
}
