// glint chat: a conversation on the terminal, with a server (--url) or with one of its own on
// loopback. Reasoning is dimmed, tool calls are shown, Ctrl-C stops the answer and not the program.

#include <pthread.h>
#include <signal.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "api/routes.h"
#include "api/server_context.h"
#include "apps/bundled_model.h"
#include "apps/command_line.h"
#include "apps/commands.h"
#include "apps/conversation.h"
#include "apps/load_model.h"
#include "base/file.h"
#include "client/url.h"
#include "http/server.h"

namespace glint {
namespace {

struct ChatOptions {
  LoadOptions load;
  ConversationOptions conversation;
  std::string url;
  std::string tools_path;
};

void add_flags(CLI::App& app, ChatOptions& o) {
  ConversationOptions& conversation = o.conversation;
  auto* model = add_model_argument(app, o.load.model);
  app.add_option("--url", o.url, "talk to this server instead, for example http://127.0.0.1:30000")
      ->excludes(model);
  app.add_option("--system", conversation.system, "a system message");
  app.add_option("--tools", o.tools_path,
                 "a JSON file: the array of tools, as the API takes it; you are asked for the "
                 "result of each call");
  app.add_flag("--no-thinking", conversation.no_thinking, "answer without reasoning first");
  app.add_option("-n,--max-tokens", conversation.max_tokens, "tokens of an answer at most")
      ->capture_default_str()
      ->check(above_zero());
  app.add_option("--temperature", conversation.temperature, "0 is greedy; default: the model's");
  app.add_option("--device", o.load.device, "auto, cpu or cuda")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}));
  app.add_option("--threads", o.load.num_threads, "of the CPU backend; 0: all cores")
      ->capture_default_str()
      ->check(zero_or_more());
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

Result<Json> read_tools(const std::string& path) {
  const auto text = read_file(path);
  if (!text) return Error{ErrorCode::kStartup, cat("Cannot read ", path, ", named by --tools.")};
  Result<Json> tools = parse_json(*text);
  if (!tools) return Error{ErrorCode::kStartup, cat(path, ": ", tools.error().message)};
  if (tools->is_array()) return tools;
  return Error{ErrorCode::kStartup,
               cat(path, ": expected a JSON array of tools, as the API's \"tools\".")};
}

Result<void> chat(ChatOptions& o) {
  if (!o.tools_path.empty()) o.conversation.tools = TRY(read_tools(o.tools_path));
  if (!o.url.empty()) return converse(o.conversation, without_end_slashes(o.url));
  o.load.model = TRY(model_or_bundled(o.load.model));
  const auto server = TRY(LocalServer::start(o.load));
  return converse(o.conversation, server->url());
}

}  // namespace

int run_chat(int argc, char** argv) {
  sigset_t signals;  // before any thread exists, so that all of them leave Ctrl-C to converse()
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  ChatOptions options;
  CLI::App app("Talks to a model on the terminal.", "glint chat");
  add_flags(app, options);
  if (const auto status = parse_command_line(app, argc, argv)) return *status;
  const Result<void> done = chat(options);
  if (done) return 0;
  std::fprintf(stderr, "error: %s\n", done.error().message.c_str());
  return 1;
}

}  // namespace glint
