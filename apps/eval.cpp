// glint eval: accuracy of a running server, over its HTTP API.

#include "eval/eval.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "apps/bundled_model.h"
#include "apps/command_line.h"
#include "apps/commands.h"
#include "apps/progress.h"
#include "client/url.h"
#include "eval/answers_file.h"
#include "eval/compare.h"
#include "eval/perplexity.h"

namespace glint {
namespace {

struct Options {
  EvalOptions eval;
  std::string task;
  std::string base_url, host = "127.0.0.1";
  int port = 30000;
  bool direct = false;
  bool held_out = false;
  bool json = false;
  PerplexityOptions perplexity;
  std::string output;
  std::vector<std::string> compared;  // two files
};

void add_request_flags(CLI::App& app, Options& o) {
  app.add_option("--num-shots", o.eval.num_shots, "examples before each question")
      ->capture_default_str()
      ->check(zero_or_more());
  app.add_option("--num-questions", o.eval.num_questions, "the first of the file")
      ->capture_default_str()
      ->check(above_zero());
  app.add_flag("--held-out", o.held_out,
               "gsm8k: questions begin after the examples. By default the examples, which are the "
               "file's first lines, are asked too, with their own answers in front: SGLang's "
               "client does so, and scores are compared with its");
  app.add_option("--max-new-tokens", o.eval.max_new_tokens,
                 "default: 512; in chat, what the server allows")
      ->check(above_zero());
  app.add_option("--parallel", o.eval.parallel, "requests under way at once")
      ->capture_default_str()
      ->check(above_zero());
  app.add_option("--temperature", o.eval.temperature)->capture_default_str();
  app.add_flag("--chat", o.eval.chat, "gsm8k: each question as a chat turn, without examples");
  app.add_flag("--no-thinking", o.direct, "in chat: answer without reasoning first");
}

void add_flags(CLI::App& app, Options& o) {
  app.option_defaults()->take_last();  // as in Python's argparse
  app.footer(kApiKeyHelp);
  app.add_option(
         "task", o.task,
         "gsm8k: word problems; tools: tool calls; perplexity: how well a text is predicted")
      ->check(CLI::IsMember({"gsm8k", "tools", "perplexity"}));
  app.add_option("--data-path", o.eval.data_path,
                 "JSON Lines: {question, answer}, or {messages, tools, calls}; default: the "
                 "bundled model's own");
  app.add_option("--url,--base-url", o.base_url, "of the server; or --host and --port");
  app.add_option("--host", o.host, "a name, an address or http://name")->capture_default_str();
  app.add_option("--port", o.port)->capture_default_str();
  app.add_option("--text", o.perplexity.text_path, "perplexity: the file that is predicted, UTF-8");
  app.add_option("--window", o.perplexity.window_bytes,
                 "perplexity: bytes of text in one request at most")
      ->capture_default_str()
      ->check(above_zero());
  add_request_flags(app, o);
  app.add_flag("--json", o.json, "the report as JSON, with every answer");
  app.add_option("--output", o.output, "writes every answer to this file, one JSON object a line");
  app.add_option("--compare", o.compared,
                 "two files that --output wrote: which questions only one got right, and whether "
                 "that is more than chance; asks no server")
      ->expected(2)
      ->multi_option_policy(CLI::MultiOptionPolicy::Throw)  // else one file would do
      ->type_name("A.jsonl B.jsonl");
}

// What CLI11 cannot say of arguments that need each other; null if nothing is missing.
const char* missing_argument(const Options& o) {
  if (o.task.empty() && o.compared.empty())
    return "what is to be scored? glint eval gsm8k, tools or perplexity";
  if (o.task == "perplexity" && o.perplexity.text_path.empty())
    return "perplexity of which text? glint eval perplexity --text FILE";
  return nullptr;
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
  EvalReport report = TRY(options.task == "tools" ? eval_tools(eval) : eval_gsm8k(eval));
  if (!options.output.empty()) TRY(write_answers(options.output, report));
  return report;
}

Result<std::string> result_text(Options& options) {
  if (!options.compared.empty()) {
    const std::string &a = options.compared[0], &b = options.compared[1];
    const Comparison comparison = TRY(compare_answers(a, b));
    return options.json ? comparison_json(comparison) + "\n" : comparison_text(comparison, a, b);
  }
  if (options.task == "perplexity") {
    PerplexityOptions& perplexity = options.perplexity;
    perplexity.url = options.eval.url;
    perplexity.parallel = options.eval.parallel;
    perplexity.on_progress = options.eval.on_progress;
    const PerplexityReport report = TRY(eval_perplexity(perplexity));
    return options.json ? perplexity_json(report) + "\n" : perplexity_text(report);
  }
  const EvalReport report = TRY(evaluate(options));
  return options.json ? report_json(report) + "\n" : report_text(report);
}

// The bar is for a terminal alone: of a report in a file nobody asks how far it was.
Result<std::string> text_with_bar(Options& options) {
  Progress bar("eval", options.task == "perplexity" ? "windows" : "questions");
  if (bar.is_terminal())
    options.eval.on_progress = [&bar](size_t done, size_t all) {
      bar.update(static_cast<int64_t>(done), static_cast<int64_t>(all));
    };
  return result_text(options);
}

}  // namespace

int run_eval(int argc, char** argv) {
  Options options;
  CLI::App app("Measures a running server's accuracy.", "glint eval");
  add_flags(app, options);
  if (const auto status = parse_command_line(app, argc, argv)) return *status;
  if (const char* missing = missing_argument(options)) {
    std::fprintf(stderr, "error: %s\n", missing);
    return 2;
  }
  EvalOptions& eval = options.eval;
  eval.thinking = !options.direct;
  eval.ask_examples = !options.held_out;
  eval.url = options.base_url.empty() ? server_url(options.host, options.port) : options.base_url;
  while (eval.url.ends_with('/')) eval.url.pop_back();
  const Result<std::string> text = text_with_bar(options);
  if (!text) {
    std::fprintf(stderr, "error: %s\n", text.error().message.c_str());
    return 1;
  }
  std::fputs(text->c_str(), stdout);
  return 0;
}

}  // namespace glint
