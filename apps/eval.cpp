// glint eval: accuracy of a running server, over its HTTP API.

#include "eval/eval.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <string>

#include "apps/bundled_model.h"
#include "apps/command_line.h"
#include "apps/commands.h"

namespace glint {
namespace {

struct Options {
  EvalOptions eval;
  std::string task;
  std::string base_url, host = "127.0.0.1";
  int port = 30000;
  bool direct = false;
  bool json = false;
};

void add_flags(CLI::App& app, Options& o) {
  app.add_option("task", o.task, "gsm8k: word problems; tools: tool calls")
      ->required()
      ->check(CLI::IsMember({"gsm8k", "tools"}));
  app.add_option("--data-path", o.eval.data_path,
                 "JSON Lines: {question, answer}, or {messages, tools, calls}; default: the "
                 "bundled model's own");
  app.add_option("--url", o.base_url, "of the server; or --host and --port");
  app.add_option("--host", o.host)->capture_default_str();
  app.add_option("--port", o.port)->capture_default_str();
  app.add_option("--num-shots", o.eval.num_shots, "examples before each question")
      ->capture_default_str()
      ->check(zero_or_more());
  app.add_option("--num-questions", o.eval.num_questions, "the first of the file")
      ->capture_default_str()
      ->check(above_zero());
  app.add_option("--max-new-tokens", o.eval.max_new_tokens)
      ->capture_default_str()
      ->check(above_zero());
  app.add_option("--parallel", o.eval.parallel, "requests under way at once")
      ->capture_default_str()
      ->check(above_zero());
  app.add_option("--temperature", o.eval.temperature)->capture_default_str();
  app.add_flag("--chat", o.eval.chat, "gsm8k: each question as a chat turn, without examples");
  app.add_flag("--no-thinking", o.direct, "in chat: answer without reasoning first");
  app.add_flag("--json", o.json, "the report as JSON, with every answer");
}

// The questions that the bundled model was not trained on.
Result<std::string> bundled_questions(const std::string& task) {
  const std::filesystem::path folder = TRY(bundled_model());
  const std::string path = folder / (task == "tools" ? "eval_tools.jsonl" : "eval.jsonl");
  std::fprintf(stderr, "questions: %s, the bundled ones (no --data-path)\n", path.c_str());
  return path;
}

Result<EvalReport> evaluate(Options& options) {
  EvalOptions& eval = options.eval;
  if (eval.data_path.empty()) eval.data_path = TRY(bundled_questions(options.task));
  return options.task == "tools" ? eval_tools(eval) : eval_gsm8k(eval);
}

}  // namespace

int run_eval(int argc, char** argv) {
  Options options;
  CLI::App app("Measures a running server's accuracy.", "glint eval");
  add_flags(app, options);
  if (const auto status = parse_command_line(app, argc, argv)) return *status;
  EvalOptions& eval = options.eval;
  eval.thinking = !options.direct;
  eval.url =
      options.base_url.empty() ? cat("http://", options.host, ":", options.port) : options.base_url;
  const Result<EvalReport> report = evaluate(options);
  if (!report) {
    std::fprintf(stderr, "error: %s\n", report.error().message.c_str());
    return 1;
  }
  std::printf("%s",
              options.json ? (report_json(*report) + "\n").c_str() : report_text(*report).c_str());
  return 0;
}

}  // namespace glint
