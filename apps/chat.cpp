// glint chat: a conversation on the terminal, with a server (--url) or with one of its own on
// loopback. Reasoning is dimmed, tool calls are shown, Ctrl-C stops the answer and not the program.

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>

#include "api/routes.h"
#include "api/server_context.h"
#include "apps/command_line.h"
#include "apps/commands.h"
#include "apps/load_model.h"
#include "base/json.h"
#include "client/http_client.h"
#include "http/server.h"

namespace glint {
namespace {

struct ChatOptions {
  LoadOptions load;
  std::string url;
  std::string system;
  bool no_thinking = false;
  int max_tokens = 2048;
  std::optional<double> temperature;
};

void add_flags(CLI::App& app, ChatOptions& o) {
  auto* model = app.add_option("model", o.load.model, "Hugging Face folder, or an id in the cache");
  model->type_name("MODEL");
  app.add_option("--url", o.url, "talk to this server instead, for example http://127.0.0.1:30000")
      ->excludes(model);
  app.add_option("--system", o.system, "a system message");
  app.add_flag("--no-thinking", o.no_thinking, "answer without reasoning first");
  app.add_option("-n,--max-tokens", o.max_tokens, "tokens of an answer at most")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--temperature", o.temperature, "0 is greedy; default: the model's");
  app.add_option("--threads", o.load.num_threads, "of the CPU backend; 0: all cores")
      ->capture_default_str();
}

// A server of our own, for as long as the conversation lasts.
class LocalServer {
 public:
  static Result<std::unique_ptr<LocalServer>> start(const LoadOptions& options) {
    auto made = std::unique_ptr<LocalServer>(new LocalServer(TRY(load_model(options))));
    made->http_ = TRY(HttpServer::listen({.port = 0}, make_router(made->context_)));
    made->engine_.emplace(*made->model_.engine);
    made->http_->start();
    return made;
  }
  ~LocalServer() {
    if (http_) http_->shutdown(/*grace_s=*/0);
  }
  std::string url() const { return cat("http://127.0.0.1:", http_->port()); }

 private:
  explicit LocalServer(LoadedModel model)
      : model_(std::move(model)),
        context_({.served_model_name = "local"}, model_.config, *model_.engine, *model_.clock) {
    fill_context(context_, model_);
  }

  LoadedModel model_;
  ServerContext context_;
  std::unique_ptr<HttpServer> http_;
  std::optional<EngineThread> engine_;
};

// Prints an answer's chunks, and keeps what the next turn must send back.
class AnswerPrinter {
 public:
  AnswerPrinter() : colour_(isatty(STDOUT_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr) {}

  void take(const Json& chunk) {
    if (chunk.contains("error")) {
      std::fprintf(stderr, "error: %s\n", to_json_text(chunk["error"]).c_str());
      return;
    }
    if (!chunk.contains("choices") || chunk["choices"].empty()) return;
    const Json& delta = chunk["choices"][0]["delta"];
    show(delta.value("reasoning_content", Json()), true);
    show(delta.value("content", Json()), false);
    for (const Json& call : delta.value("tool_calls", Json::array())) {
      const Json function = call.value("function", Json::object());
      if (function.contains("name")) show(cat("\n[calls ", function["name"].dump(), "] "), false);
      show(function.value("arguments", Json()), false);
    }
  }

  Json message() {
    dim(false);
    std::printf("\n");
    return {{"role", "assistant"}, {"content", content_}, {"reasoning_content", reasoning_}};
  }

 private:
  void show(const Json& text, bool is_reasoning) {
    if (!text.is_string() || text.get_ref<const std::string&>().empty()) return;
    const auto& bytes = text.get_ref<const std::string&>();
    if (!is_reasoning && dimmed_) std::printf("\n\n");
    dim(is_reasoning);
    (is_reasoning ? reasoning_ : content_) += bytes;
    std::fwrite(bytes.data(), 1, bytes.size(), stdout);
    std::fflush(stdout);
  }
  void dim(bool on) {
    if (on == dimmed_) return;
    dimmed_ = on;
    if (colour_) std::printf("%s", on ? "\033[2m" : "\033[0m");
  }

  bool colour_;
  bool dimmed_ = false;
  std::string reasoning_, content_;
};

// Ctrl-C, taken by a thread: it cancels the answer under way, or else leaves.
class Interrupts {
 public:
  explicit Interrupts(HttpClient& client) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    std::thread([this, &client, signals] {
      for (int signal = 0; sigwait(&signals, &signal) == 0;) {
        if (!answering_) _exit(0);
        client.cancel();
      }
    }).detach();
  }
  void set_answering(bool answering) { answering_ = answering; }

 private:
  std::atomic<bool> answering_ = false;
};

std::string request_body(const ChatOptions& o, const Json& messages) {
  Json body = {{"messages", messages}, {"stream", true}, {"max_tokens", o.max_tokens}};
  if (o.temperature) body["temperature"] = *o.temperature;
  if (o.no_thinking) body["chat_template_kwargs"] = {{"enable_thinking", false}};
  return to_json_text(body);
}

Result<void> converse(const ChatOptions& o, const std::string& url) {
  static HttpClient client;  // outlives the thread that waits for Ctrl-C
  static Interrupts interrupts(client);
  Json messages = Json::array();
  if (!o.system.empty()) messages.push_back({{"role", "system"}, {"content", o.system}});
  const bool is_terminal = isatty(STDIN_FILENO) != 0;
  if (is_terminal) std::fprintf(stderr, "Ctrl-C stops an answer, Ctrl-D ends the conversation.\n");
  for (std::string line;;) {
    if (is_terminal) std::fprintf(stderr, "\n> ");
    if (!std::getline(std::cin, line)) return {};
    if (line.empty()) continue;
    messages.push_back({{"role", "user"}, {"content", line}});
    AnswerPrinter printer;
    interrupts.set_answering(true);
    const Result<void> answered =
        client.post_stream(url + "/v1/chat/completions", {{"Content-Type", "application/json"}},
                           request_body(o, messages), [&](const SseEvent& event) {
                             if (event.data == "[DONE]") return;
                             if (const Result<Json> chunk = parse_json(event.data))
                               printer.take(*chunk);
                           });
    interrupts.set_answering(false);
    messages.push_back(printer.message());
    if (!answered && answered.error().code != ErrorCode::kCancelled) return answered.error();
  }
}

Result<void> chat(const ChatOptions& o) {
  if (!o.url.empty()) return converse(o, o.url);
  const auto server = TRY(LocalServer::start(o.load));
  return converse(o, server->url());
}

}  // namespace

int run_chat(int argc, char** argv) {
  sigset_t signals;  // before any thread exists, so that all of them leave Ctrl-C to Interrupts
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  ChatOptions options;
  CLI::App app("Talks to a model on the terminal.", "glint chat");
  add_flags(app, options);
  if (const auto status = parse_command_line(app, argc, argv)) return *status;
  if (options.url.empty() && options.load.model.empty()) {
    std::fprintf(stderr, "error: name a MODEL, or a server with --url.\n");
    return 2;
  }
  const Result<void> done = chat(options);
  if (done) return 0;
  std::fprintf(stderr, "error: %s\n", done.error().message.c_str());
  return 1;
}

}  // namespace glint
