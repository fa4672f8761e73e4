// glint serve: a model over HTTP, until SIGTERM or SIGINT.

#include <pthread.h>
#include <signal.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <thread>

#include "api/routes.h"
#include "api/server_context.h"
#include "apps/command_line.h"
#include "apps/commands.h"
#include "apps/device.h"
#include "apps/load_model.h"
#include "apps/serve_options.h"
#include "base/log.h"
#include "http/server.h"

namespace glint {
namespace {

// The signals that end the server are taken by sigwait(), so every thread must block them: called
// before there is another one, the log's included.
sigset_t block_ending_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

int wait_for_signal(const sigset_t& signals) {
  int signal = 0;
  sigwait(&signals, &signal);
  return signal;
}

// A second signal does not wait for anyone.
void exit_on_next_signal(const sigset_t& signals) {
  std::thread([signals] {
    wait_for_signal(signals);
    log_warning("second signal: leaving at once");
    flush_log();
    _exit(1);
  }).detach();
}

Result<void> serve(ServeOptions& options, const sigset_t& signals) {
  const double begin_s = SteadyClock().now_s();
  TRY(name_model(options));
  TRY(HttpServer::check(options.http));  // not after minutes of loading
  LoadedModel model = TRY(load_model(options.load));
  options.api.dtype = model.config.dtype;
  options.api.machine = this_machine();
  ServerContext context(options.api, model.config, *model.engine, *model.clock);
  fill_context(context, model);
  const std::unique_ptr<HttpServer> server =
      TRY(HttpServer::listen(options.http, make_router(context)));
  {
    const EngineThread engine(*model.engine);
    context.startup.total_s = SteadyClock().now_s() - begin_s;
    server->start();
    std::fprintf(stderr, "listening on http://%s:%d\n", options.http.host.c_str(), server->port());
    log_info("signal", {{"number", wait_for_signal(signals)}});
    exit_on_next_signal(signals);
    context.shutting_down = true;
    model.engine->resume([](Result<void>) {});  // paused answers may finish, too
    server->shutdown(options.grace_period_s);
  }
  log_info("stopped");
  return {};
}

}  // namespace

int run_serve(int argc, char** argv) {
  ServeOptions options;
  CLI::App app("Serves a model over HTTP: OpenAI's API and SGLang's /generate.", "glint serve");
  add_serve_flags(app, options);
  if (const auto status = parse_command_line(app, argc, argv)) return *status;
  const sigset_t signals = block_ending_signals();
  finish_serve_options(app, options);
  const Result<void> served = serve(options, signals);
  if (served) return 0;
  std::fprintf(stderr, "error: %s\n", served.error().message.c_str());
  return 1;
}

}  // namespace glint
