// glint generate: one prompt in, tokens out. The smallest user of the engine.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "api/openai/shapes.h"
#include "apps/answer_printer.h"
#include "apps/bundled_model.h"
#include "apps/command_line.h"
#include "apps/commands.h"
#include "apps/load_model.h"
#include "base/json.h"
#include "base/queue.h"
#include "chat/output_parser.h"
#include "chat/template.h"
#include "tokenizer/detokenizer.h"

namespace glint {
namespace {

struct GenerateOptions {
  LoadOptions load;
  std::string prompt;
  bool chat = false;
  bool no_thinking = false;
  bool json = false;
  int max_tokens = 256;
  bool ignore_eos = false;
  std::optional<float> temperature, top_p, min_p;
  std::optional<int> top_k;
  std::optional<uint64_t> seed;
};

void add_flags(CLI::App& app, GenerateOptions& o) {
  add_model_argument(app, o.load.model);
  app.add_option("-p,--prompt", o.prompt, "the text to continue; - reads stdin")->required();
  auto* chat =
      app.add_flag("--chat", o.chat, "the prompt is a user's message: render it as a conversation");
  app.add_flag("--no-thinking", o.no_thinking, "with --chat: answer without reasoning first")
      ->needs(chat);
  app.add_option("-n,--max-tokens", o.max_tokens, "output tokens at most")
      ->capture_default_str()
      ->check(above_zero());
  app.add_option("--temperature", o.temperature, "0 is greedy; default: the model's");
  app.add_option("--top-p", o.top_p, "(0, 1]; default: the model's");
  app.add_option("--top-k", o.top_k, "-1 is off; default: the model's");
  app.add_option("--min-p", o.min_p, "[0, 1]; default: the model's");
  app.add_option("--seed", o.seed, "the same seed gives the same answer; default: a random one");
  app.add_flag("--ignore-eos", o.ignore_eos, "go on after the model ended");
  app.add_flag("--json", o.json, "print one JSON object at the end instead of text as it comes");
  app.add_option("--device", o.load.device, "auto, cpu or cuda")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}));
  app.add_option("--load-format", o.load.load_format, "auto, safetensors, or dummy: random weights")
      ->capture_default_str();
  app.add_option("--threads", o.load.num_threads, "of the CPU backend; 0: all cores")
      ->capture_default_str()
      ->check(zero_or_more());
}

struct Prompt {
  std::vector<TokenId> ids;
  bool opens_thinking = false;  // the answer starts inside reasoning
};

Prompt encode_prompt(const GenerateOptions& o, const Tokenizer& tokenizer) {
  std::string text = o.prompt;
  if (text == "-") text.assign(std::istreambuf_iterator<char>(std::cin), {});
  if (!o.chat) return {.ids = tokenizer.encode(text)};
  TemplateOptions options;
  if (o.no_thinking) options.enable_thinking = false;
  Message message{.role = "user", .content = Json(text), .reasoning_content = {}, .tool_calls = {}};
  const RenderedPrompt rendered = *render_chat({std::move(message)}, {}, options);
  return {.ids = tokenizer.encode(rendered.text, rendered.control),
          .opens_thinking = rendered.opens_thinking};
}

SamplingParams sampling_params(const GenerateOptions& o, const LoadedModel& model) {
  const GenerationConfig& defaults = model.generation_config;
  SamplingParams params;
  params.temperature = o.temperature.value_or(defaults.temperature.value_or(1.0f));
  params.top_p = o.top_p.value_or(defaults.top_p.value_or(1.0f));
  params.top_k = o.top_k.value_or(defaults.top_k.value_or(-1));
  params.min_p = o.min_p.value_or(defaults.min_p.value_or(0.0f));
  params.repetition_penalty = defaults.repetition_penalty.value_or(1.0f);
  params.seed = o.seed ? *o.seed : std::random_device{}();
  if (!o.ignore_eos) params.stop_token_ids = model.stop_token_ids;
  return params;
}

// The answer's text as it comes: printed, unless it is collected for --json.
class AnswerText {
 public:
  AnswerText(bool split_reasoning, bool print)
      : parser_({.parse_reasoning = split_reasoning,
                 .parse_tool_calls = false,
                 .starts_in_reasoning = split_reasoning}),
        print_(print) {}

  void append(const std::string& piece) { take(parser_.append(piece)); }
  void finish() {
    take(parser_.finish());
    if (print_) printer_.finish();
  }
  const std::string& reasoning() const { return reasoning_; }
  const std::string& content() const { return content_; }

 private:
  void take(const std::vector<OutputEvent>& events) {
    for (const OutputEvent& event : events) {
      if (const auto* thought = std::get_if<ReasoningDelta>(&event)) {
        reasoning_ += thought->text;
        if (print_) printer_.reasoning(thought->text);
      } else if (const auto* said = std::get_if<ContentDelta>(&event)) {
        content_ += said->text;
        if (print_) printer_.content(said->text);
      }
    }
  }

  OutputParser parser_;
  AnswerPrinter printer_;
  bool print_;
  std::string reasoning_, content_;
};

struct Outcome {
  TokenEvent last;
  double seconds = 0;  // from the first token to the last
};

// Takes the tokens until the last one.
Outcome follow(Queue<TokenEvent>& events, Detokenizer detokenizer, AnswerText& text,
               const Clock& clock) {
  double first_token_s = 0;
  while (true) {
    for (TokenEvent& event : events.wait_and_drain()) {
      if (first_token_s == 0 && !event.tokens.empty()) first_token_s = clock.now_s();
      for (const OutputToken& token : event.tokens) {
        const bool is_stop = event.finish && event.finish->matched_stop == token.id;
        if (!is_stop) text.append(detokenizer.append(token.id));
      }
      if (!event.finish) continue;
      text.append(detokenizer.finish());
      text.finish();
      return {.last = std::move(event), .seconds = clock.now_s() - first_token_s};
    }
  }
}

void print_json(const AnswerText& text, const TokenEvent& last) {
  const Json json = {{"reasoning", text.reasoning()},
                     {"text", text.content()},
                     {"finish_reason", finish_reason(last.finish->reason)},
                     {"prompt_tokens", last.usage.prompt_tokens},
                     {"completion_tokens", last.usage.completion_tokens}};
  std::printf("%s\n", to_json_text(json).c_str());
}

void print_summary(const Outcome& answer) {
  const Usage& usage = answer.last.usage;
  std::fprintf(stderr, "%d prompt tokens, %d output tokens (%s)", usage.prompt_tokens,
               usage.completion_tokens, finish_reason(answer.last.finish->reason));
  if (usage.completion_tokens > 1 && answer.seconds > 0) {
    std::fprintf(stderr, ", %.1f tokens/s", (usage.completion_tokens - 1) / answer.seconds);
  }
  std::fprintf(stderr, "\n");
}

Result<void> generate(GenerateOptions& o) {
  o.load.model = TRY(model_or_bundled(o.load.model));
  LoadedModel model = TRY(load_model(o.load));
  Prompt prompt = encode_prompt(o, *model.tokenizer);
  if (prompt.ids.empty()) {
    return Error{ErrorCode::kInvalidRequest, "The prompt is empty: give some text with -p."};
  }
  GenerateRequest request;
  request.prompt = std::move(prompt.ids);
  request.max_tokens = o.max_tokens;
  request.sampling = sampling_params(o, model);
  TRY(validate(request.sampling, model.config.vocab_size));

  EngineThread thread(*model.engine);
  Queue<TokenEvent> events;
  TRY(model.engine->submit(std::move(request),
                           [&](TokenEvent&& event) { events.push(std::move(event)); }));
  AnswerText text(prompt.opens_thinking, !o.json);
  const Outcome answer = follow(events, Detokenizer(*model.tokenizer, true), text, *model.clock);
  if (o.json) print_json(text, answer.last);
  if (!o.json) print_summary(answer);
  if (answer.last.finish->reason == FinishReason::kError) {
    return Error{ErrorCode::kInternal, answer.last.finish->message};
  }
  return {};
}

}  // namespace

int run_generate(int argc, char** argv) {
  GenerateOptions options;
  CLI::App app("Continues one prompt; the text goes to stdout as it comes.", "glint generate");
  add_flags(app, options);
  if (const auto status = parse_command_line(app, argc, argv)) return *status;
  const Result<void> result = generate(options);
  if (result) return 0;
  std::fprintf(stderr, "error: %s\n", result.error().message.c_str());
  return 1;
}

}  // namespace glint
