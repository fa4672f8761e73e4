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
#include "apps/interrupt.h"
#include "apps/progress.h"
#include "client/url.h"
#include "eval/answers_file.h"
#include "eval/compare.h"
#include "eval/perplexity.h"

namespace glint {
namespace {

struct Options {
  EvalOptions eval;
  std::string base_url, host = "127.0.0.1";
  int port = 30000;
  bool direct = false;
  bool held_out = false;
  bool json = false;
  std::string output;
  std::vector<std::string> compared;  // two files that --output wrote, or none
  PerplexityOptions perplexity;
};

void add_footer(CLI::App& app, const char* example) {
  app.footer(cat("Example: ", example, "\n", kApiKeyHelp));
}

void add_server_flags(CLI::App& app, Options& o) {
  app.option_defaults()->take_last();  // as in Python's argparse
  app.add_option("--url,--base-url", o.base_url, "of the server; or --host and --port");
  app.add_option("--host", o.host, "a name, an address or http://name")->capture_default_str();
  app.add_option("--port", o.port, "of the server")
      ->capture_default_str()
      ->check(between(1, 65'535));
  app.add_option("--parallel", o.eval.parallel, "requests under way at once")
      ->capture_default_str()
      ->check(above_zero());
}

void add_question_flags(CLI::App& app, Options& o, const std::string& members) {
  app.add_option("--data-path", o.eval.data_path,
                 cat("JSON Lines: ", members, "; default: the bundled model's own"));
  app.add_option("--num-questions", o.eval.num_questions, "the first of the file")
      ->capture_default_str()
      ->check(above_zero());
  app.add_option("--temperature", o.eval.temperature, "0: greedy")
      ->capture_default_str()
      ->check(zero_or_more());
}

void add_answer_flags(CLI::App& app, Options& o) {
  app.add_flag("--json", o.json, "the report as JSON, with every answer");
  app.add_option("--output", o.output, "writes every answer to this file, one JSON object a line");
  app.add_option("--compare", o.compared,
                 "two files that --output wrote: lists the questions that only one got right, and "
                 "says whether that is more than chance. Asks no server")
      ->expected(2)
      ->multi_option_policy(CLI::MultiOptionPolicy::Throw)  // else one file would do
      ->type_name("A.jsonl B.jsonl");
}

// The questions that the bundled model was not trained on, unless others are named.
Result<void> find_questions(EvalOptions& eval, const char* file) {
  if (!eval.data_path.empty()) return {};
  const std::filesystem::path folder = TRY(bundled_model());
  eval.data_path = folder / file;
  std::fprintf(stderr, "questions: %s, the bundled ones (no --data-path)\n",
               eval.data_path.c_str());
  return {};
}

// Asks the questions. --output is found to be writable before, and has each answer as it comes.
Result<EvalReport> with_answers_kept(Options& o,
                                     Result<EvalReport> (*evaluate)(const EvalOptions&)) {
  if (o.output.empty()) return evaluate(o.eval);
  TRY(check_writable(o.output, "--output"));
  AnswersFile file(o.output);
  o.eval.on_answer = [&file](const Judged& answer) { file.add(answer); };
  Result<EvalReport> report = evaluate(o.eval);
  if (!report && file.has_some())
    report.error().message += cat("\nThe answers that came before are in ", o.output, ".");
  return report;
}

// Writes the answers to --output, if there are any, and says whether some are missing.
Result<void> keep_answers(const Options& o, const EvalReport& report) {
  const bool are_kept = !o.output.empty() && !report.answers.empty();
  if (are_kept) TRY(write_answers(o.output, report));
  const size_t answered = report.answers.size();
  if (answered == report.num_questions) return {};
  return Error{
      ErrorCode::kCancelled,
      cat("interrupted: ", answered, " of ", report.num_questions, " questions have been answered",
          are_kept ? cat("; they are in ", o.output) : "", "."),
      {}};
}

Result<std::string> answers_text(Options& o, Result<EvalReport> (*evaluate)(const EvalOptions&)) {
  const EvalReport report = TRY(with_answers_kept(o, evaluate));
  const std::string text = o.json ? report_json(report) + "\n" : report_text(report);
  const Result<void> kept = keep_answers(o, report);
  if (kept) return text;
  if (!report.answers.empty()) std::fputs(text.c_str(), stdout);  // it was measured all the same
  return kept.error();
}

Result<std::string> gsm8k_text(Options& o) {
  TRY(find_questions(o.eval, "eval.jsonl"));
  return answers_text(o, eval_gsm8k);
}

Result<std::string> tools_text(Options& o) {
  TRY(find_questions(o.eval, "eval_tools.jsonl"));
  return answers_text(o, eval_tools);
}

Result<std::string> perplexity_report_text(Options& o) {
  o.perplexity.url = o.eval.url;
  o.perplexity.parallel = o.eval.parallel;
  o.perplexity.on_progress = o.eval.on_progress;
  o.perplexity.stop = o.eval.stop;
  const PerplexityReport report = TRY(eval_perplexity(o.perplexity));
  return o.json ? perplexity_json(report) + "\n" : perplexity_text(report);
}

int print(const Result<std::string>& text) {
  if (!text) {
    std::fprintf(stderr, "error: %s\n", text.error().message.c_str());
    return 1;
  }
  std::fputs(text->c_str(), stdout);
  return 0;
}

Result<std::string> comparison(const Options& o) {
  const std::string &a = o.compared[0], &b = o.compared[1];
  const Comparison compared = TRY(compare_answers(a, b));
  return o.json ? comparison_json(compared) + "\n" : comparison_text(compared, a, b);
}

// Asks the server, with a bar that counts what is `counted`. It is for a terminal alone: of a
// report in a file nobody asks how far it was.
int measure(Options& o, const char* counted, Result<std::string> (*text_of)(Options&)) {
  if (!o.compared.empty()) return print(comparison(o));
  EvalOptions& eval = o.eval;
  eval.thinking = !o.direct;
  eval.ask_examples = !o.held_out;
  eval.url = o.base_url.empty() ? server_url(o.host, o.port) : without_end_slashes(o.base_url);
  eval.stop = &ctrl_c_came();
  note_ctrl_c("\nWaiting for the answers that are under way; Ctrl-C again ends at once.\n");
  const auto ask = [&] {
    Progress bar("eval", counted);
    if (bar.is_terminal())
      eval.on_progress = [&bar](size_t done, size_t all) {
        bar.update(static_cast<int64_t>(done), static_cast<int64_t>(all));
      };
    return text_of(o);
  };
  return print(ask());
}

int run_gsm8k(int argc, char** argv) {
  Options o;
  CLI::App app("Asks word problems, as SGLang's few_shot_gsm8k: the answer's last number counts.",
               "glint eval gsm8k");
  add_footer(app, "glint eval gsm8k --port 30000 --num-questions 200 --output answers.jsonl");
  add_server_flags(app, o);
  add_question_flags(app, o, "{question, answer}");
  app.add_option("--num-shots", o.eval.num_shots, "examples before each question")
      ->capture_default_str()
      ->check(zero_or_more());
  app.add_flag("--held-out", o.held_out,
               "questions begin after the examples. By default the examples, which are the file's "
               "first lines, are asked too, with their own answers in front: SGLang's client does "
               "so, and scores are compared with its");
  app.add_option("--max-new-tokens", o.eval.max_new_tokens,
                 "of an answer; default: 512; in chat, what the server allows")
      ->check(above_zero());
  auto* chat = app.add_flag("--chat", o.eval.chat, "each question as a chat turn, no examples");
  app.add_flag("--no-thinking", o.direct, "answer without reasoning first")->needs(chat);
  add_answer_flags(app, o);
  if (const auto status = parse_command_line(app, argc, argv)) return *status;
  return measure(o, "questions", gsm8k_text);
}

int run_tools(int argc, char** argv) {
  Options o;
  CLI::App app("Asks for tool calls: right are exactly the calls and arguments of the file.",
               "glint eval tools");
  add_footer(app, "glint eval tools --port 30000 --num-questions 100");
  add_server_flags(app, o);
  add_question_flags(app, o, "{messages, tools, calls}");
  app.add_option("--max-new-tokens", o.eval.max_new_tokens,
                 "of an answer; default: what the server allows")
      ->check(above_zero());
  app.add_flag("--no-thinking", o.direct, "answer without reasoning first");
  add_answer_flags(app, o);
  if (const auto status = parse_command_line(app, argc, argv)) return *status;
  return measure(o, "questions", tools_text);
}

int run_perplexity(int argc, char** argv) {
  Options o;
  CLI::App app("Measures how well the model predicts a text.", "glint eval perplexity");
  add_footer(app, "glint eval perplexity --port 30000 --text book.txt");
  add_server_flags(app, o);
  app.add_option("--text", o.perplexity.text_path, "the file that is predicted, UTF-8")->required();
  app.add_option("--window", o.perplexity.window_bytes, "bytes of text in one request at most")
      ->capture_default_str()
      ->check(above_zero());
  app.add_flag("--json", o.json, "the report as JSON");
  if (const auto status = parse_command_line(app, argc, argv)) return *status;
  return measure(o, "windows", perplexity_report_text);
}

constexpr Subcommand kTasks[] = {
    {"gsm8k", "word problems; without a file, the bundled model's own", run_gsm8k},
    {"tools", "tool calls; without a file, the bundled model's own", run_tools},
    {"perplexity", "how well a text is predicted", run_perplexity},
};

}  // namespace

int run_eval(int argc, char** argv) { return run_subcommand("glint eval", kTasks, argc, argv); }

}  // namespace glint
