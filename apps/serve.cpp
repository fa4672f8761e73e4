// glint serve: a model over HTTP, until SIGTERM or SIGINT.

#include <pthread.h>
#include <signal.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <thread>

#include "api/operator/starting.h"
#include "api/routes.h"
#include "api/server_context.h"
#include "apps/command_line.h"
#include "apps/commands.h"
#include "apps/device.h"
#include "apps/load_model.h"
#include "apps/serve_options.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/queue.h"
#include "engine/watchdog.h"
#include "http/server.h"

namespace glint {
namespace {

// The signals that take_signals() takes, so every thread must block them: called before there is
// another one, the log's included. SIGHUP is taken if there is something to read again; a closed
// terminal ends the server otherwise.
sigset_t block_signals(const ServeOptions& options) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  if (can_reload(options)) {
    sigaddset(&signals, SIGHUP);
    signal(SIGHUP, SIG_DFL);  // nohup has it ignored, and what is ignored cannot be waited for
  }
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

[[noreturn]] void leave(int status, const char* why) {
  log_warning(why);
  flush_log();
  _exit(status);
}

// What the signals' thread has to say to serve().
struct Signals {
  std::atomic<bool> loading = true;
  Queue<int> taken;
};

// Supervisors signal a process and then its group, which it is in (`timeout 60 glint serve`): that
// is one wish, not two.
constexpr double kSameSignalS = 1;

// Takes the signals from now on, on a thread of its own: while the model is loaded there is nothing
// to finish, and a second one that ends the server does not wait for anyone.
std::shared_ptr<Signals> take_signals(const sigset_t& set) {
  auto signals = std::make_shared<Signals>();
  std::thread([set, signals] {
    const SteadyClock clock;
    std::optional<double> ending_since_s;
    while (true) {
      int number = 0;
      sigwait(&set, &number);
      if (number != SIGHUP) {
        if (signals->loading) leave(0, "signal before the model was loaded: leaving at once");
        if (ending_since_s) {
          if (clock.now_s() - *ending_since_s < kSameSignalS) continue;
          leave(1, "second signal: leaving at once");
        }
        ending_since_s = clock.now_s();
      }
      signals->taken.push(int{number});
    }
  }).detach();
  return signals;
}

// The signal that ends the server; `reload` is called at each other one.
int wait_for_end(Signals& signals, const std::function<void()>& reload) {
  while (true) {
    for (const int number : signals.taken.wait_and_drain()) {
      if (number != SIGHUP) return number;
      reload();
    }
  }
}

// Nothing can be saved: the engine's thread will not come back.
void end_stuck_process(double timeout_s) {
  flush_log();
  std::fprintf(
      stderr,
      "error: a step has run for more than %g s (--watchdog-timeout), so the process ends. "
      "A GPU or its driver hangs then; where steps may take so long, raise the flag.\n",
      timeout_s);
  _exit(1);
}

void reload_keys(const ServeOptions& options, ServerContext& context) {
  const Result<KeyLists> keys = read_keys(options.keys);
  if (!keys) return log_error("keys not reloaded", {{"reason", keys.error().message}});
  context.keys.set(*keys);
  log_info("keys reloaded", {{"user", keys->user.size()}, {"admin", keys->admin.size()}});
}

void reload_certificate(HttpServer& server) {
  const Result<void> reloaded = server.reload_tls();
  if (!reloaded)
    return log_error("certificate not reloaded", {{"reason", reloaded.error().message}});
  log_info("certificate reloaded");
}

// On SIGHUP. What cannot be read leaves things as they were.
void reload(const ServeOptions& options, ServerContext& context, HttpServer& server) {
  reload_keys(options, context);
  if (options.http.tls.enabled()) reload_certificate(server);
}

Result<void> serve(ServeOptions& options, const sigset_t& signal_set) {
  const double begin_s = SteadyClock().now_s();
  const std::shared_ptr<Signals> signals = take_signals(signal_set);
  TRY(name_model(options));
  const KeyLists keys = TRY(read_keys(options.keys));
  // Before minutes of loading: who asks meanwhile is told, and a taken port is said at once.
  std::atomic<int> percent_loaded = 0;
  const std::unique_ptr<HttpServer> server =
      TRY(HttpServer::listen(options.http, make_starting_router(percent_loaded)));
  server->start();
  options.load.on_progress = [&](int64_t done, int64_t total) {
    percent_loaded = total > 0 ? static_cast<int>(done * 100 / total) : 100;
  };
  LoadedModel model = TRY(load_model(options.load));
  options.api.dtype = model.config.dtype;
  options.api.machine = this_machine();
  ServerContext context(options.api, model.config, *model.engine, *model.clock);
  fill_context(context, model);
  if (options.sampling_defaults == "openai") context.generation_config = GenerationConfig{};
  context.keys.set(keys);
  {
    const EngineThread engine(*model.engine);
    const Watchdog watchdog(*model.engine, options.watchdog_timeout_s,
                            [s = options.watchdog_timeout_s] { end_stuck_process(s); });
    context.startup.total_s = SteadyClock().now_s() - begin_s;
    signals->loading = false;
    server->set_router(make_router(context));
    std::fprintf(stderr, "listening on %s://%s:%d\n", options.http.tls.enabled() ? "https" : "http",
                 options.http.host.c_str(), server->port());
    const int number = wait_for_end(*signals, [&] { reload(options, context, *server); });
    log_info("signal", {{"number", number}});
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
  CLI::App app(
      "Serves a model over HTTP: OpenAI's, Anthropic's and Ollama's APIs, SGLang's /generate.",
      "glint serve");
  add_serve_flags(app, options);
  if (const auto status = parse_with_config(app, argc, argv, options.config_path)) return *status;
  hide_secrets(argc, argv);
  const sigset_t signals = block_signals(options);
  if (const Result<void> finished = finish_serve_options(app, options); !finished) {
    std::fprintf(stderr, "error: %s\n", finished.error().message.c_str());
    return 2;
  }
  const Result<void> served = serve(options, signals);
  if (served) return 0;
  std::fprintf(stderr, "error: %s\n", served.error().message.c_str());
  return 1;
}

}  // namespace glint
