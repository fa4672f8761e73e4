#include "apps/serving_flags.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdio>
#include <limits>
#include <utility>

#include "apps/command_line.h"
#include "apps/interrupt.h"
#include "client/api_key.h"
#include "client/url.h"

namespace glint {
namespace {

Error wrong_flag(std::string message) {
  return {ErrorCode::kInvalidRequest, std::move(message), {}};
}

void add_shared_prefix_flags(CLI::App& app, DatasetOptions& d) {
  app.add_option("--gsp-num-groups", d.gsp_num_groups, "generated-shared-prefix: system prompts")
      ->capture_default_str()
      ->check(above_zero());
  app.add_option("--gsp-prompts-per-group", d.gsp_prompts_per_group,
                 "questions behind each system prompt")
      ->capture_default_str()
      ->check(above_zero());
  app.add_option("--gsp-system-prompt-len", d.gsp_system_prompt_len, "tokens at most")
      ->capture_default_str()
      ->check(above_zero());
  app.add_option("--gsp-question-len", d.gsp_question_len, "tokens at most")
      ->capture_default_str()
      ->check(above_zero());
  app.add_option("--gsp-output-len", d.gsp_output_len, "tokens of an answer at most")
      ->capture_default_str()
      ->check(above_zero());
  app.add_option("--gsp-range-ratio", d.gsp_range_ratio,
                 "lengths are uniform from this share of the longest on; 1: all are the longest")
      ->capture_default_str()
      ->check(between(0, 1));
  app.add_option("--gsp-num-turns", d.gsp_num_turns,
                 "questions of a conversation, each sent with all that was said before")
      ->capture_default_str()
      ->check(above_zero());
  app.add_flag("--gsp-ordered", d.gsp_ordered, "group by group, not shuffled");
  app.add_flag("--gsp-send-routing-key", d.gsp_send_routing_key,
               "each group's own in the header x-smg-routing-key");
}

Result<double> parse_rate(const std::string& text) {
  if (text == "inf") return std::numeric_limits<double>::infinity();
  double rate = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), rate);
  if (error == std::errc() && end == text.data() + text.size() && rate > 0) return rate;
  return wrong_flag(
      cat("--request-rate: expected requests a second, above 0, or inf; found ", text));
}

Result<HttpClient::Headers> parse_headers(const std::vector<std::string>& typed) {
  HttpClient::Headers headers;
  for (const std::string& header : typed) {
    const size_t equals = header.find('=');
    if (equals == std::string::npos || equals == 0)
      return wrong_flag(cat("--header: expected NAME=VALUE, found ", header));
    headers.emplace_back(header.substr(0, equals), header.substr(equals + 1));
  }
  for (auto& field : api_key_headers()) headers.push_back(std::move(field));
  return headers;
}

}  // namespace

void add_server_flags(CLI::App& app, ServingFlags& f) {
  app.footer(kApiKeyHelp);
  app.add_option(
         "--backend", f.backend,
         "sglang: /generate as SGLang's client asks; glint: the same, with new text only in "
         "each event; vllm: /v1/completions; openai-chat: /v1/chat/completions")
      ->capture_default_str()
      ->check(CLI::IsMember(serving_backend_names()));
  app.add_option("--base-url,--url", f.base_url, "of the server; or --host and --port");
  app.add_option("--host", f.host, "a name, an address or http://name")->capture_default_str();
  app.add_option("--port", f.port, "of the server; default: 30000 for sglang and glint, else 8000")
      ->check(between(1, 65'535));
  app.add_option("--model", f.serving.model_path,
                 "as requests name it, and where its tokenizer is: a folder or an id in the local "
                 "cache; default: the first of /v1/models");
  app.add_option("--served-model-name", f.serving.format.model,
                 "as requests name it, where that is not --model");
  app.add_option("--tokenizer", f.serving.tokenizer,
                 "a model's folder, a tokenizer.json or an id in the local cache; default: the "
                 "model's, if it is on this machine, else prompts are sent as ids");
  app.add_option("--header", f.headers, "NAME=VALUE, sent with every request")->delimiter(',');
  app.add_option("--ready-check-timeout-sec", f.serving.ready_timeout_s,
                 "seconds to wait for the server to answer")
      ->capture_default_str()
      ->check(zero_or_more());
}

void add_dataset_flags(CLI::App& app, ServingFlags& f) {
  DatasetOptions& d = f.serving.dataset;
  app.add_option(
         "--dataset-name", d.name,
         "random: text of drawn lengths; random-ids: ids in a row; generated-shared-prefix: "
         "groups with one system prompt, see --gsp-…; sharegpt, custom: conversations of "
         "--dataset-path")
      ->capture_default_str()
      ->check(
          CLI::IsMember({"random", "random-ids", "generated-shared-prefix", "sharegpt", "custom"}));
  app.add_option("--dataset-path", d.path,
                 "random and sharegpt: ShareGPT's JSON; custom: JSON Lines of {\"conversations\": "
                 "[{\"content\"}, {\"content\"}]}");
  app.add_option("--num-prompts", d.num_prompts, "requests of the run")
      ->capture_default_str()
      ->check(above_zero());
  app.add_option("--seed", d.seed, "of lengths, prompts and arrivals")->capture_default_str();
  app.add_option("--random-input-len", d.random_input_len, "tokens of a prompt at most")
      ->capture_default_str()
      ->check(above_zero());
  app.add_option("--random-output-len", d.random_output_len, "tokens of an answer at most")
      ->capture_default_str()
      ->check(above_zero());
  app.add_option("--random-range-ratio", d.random_range_ratio,
                 "lengths are uniform from this share of the longest on")
      ->capture_default_str()
      ->check(between(0, 1));
  app.add_option("--sharegpt-output-len", d.sharegpt_output_len,
                 "sharegpt, custom: tokens of each answer; default: as many as the file's has")
      ->check(between(2, 1 << 30));
  app.add_option("--sharegpt-context-len", d.sharegpt_context_len,
                 "tokens: longer conversations are left out; default: none is")
      ->check(above_zero());
  app.add_option("--prompt-suffix", d.prompt_suffix, "sharegpt, custom: after each prompt");
  app.add_flag("--apply-chat-template", d.apply_chat_template,
               "sharegpt, custom: prompts as the model's chat template writes a user's message");
  app.add_flag("--tokenize-prompt", d.send_ids, "send prompts as ids");
  add_shared_prefix_flags(app, d);
}

void add_request_flags(CLI::App& app, ServingFlags& f) {
  RequestFormat& format = f.serving.format;
  app.add_option("--request-rate", f.request_rate, "requests a second, Poisson; inf: all at once")
      ->capture_default_str();
  app.add_option("--temperature", format.temperature, "0: greedy")
      ->capture_default_str()
      ->check(zero_or_more());
  app.add_option("--top-p", f.top_p, "default: not sent, the server's own")->check(between(0, 1));
  app.add_option("--extra-request-body", f.extra_request_body,
                 "a JSON object whose members replace the request's");
  app.add_option("--lora-name", format.lora_name,
                 "an adapter: lora_path of /generate, else in place of the model's name");
  app.add_flag("--disable-stream", f.disable_stream,
               "ask for whole answers: TTFT is then the time of the answer");
  app.add_flag("--disable-ignore-eos", f.disable_ignore_eos, "answers may end before their length");
  app.add_flag("--return-logprob", format.return_logprob,
               "sglang, glint: ask for the tokens' log-probabilities");
  app.add_option("--warmup-requests", f.serving.warmup_requests,
                 "copies of the first request, with 32 tokens at most, before the run")
      ->capture_default_str()
      ->check(zero_or_more());
  app.add_flag("--flush-cache", f.serving.flush_cache, "after the warm-up");
  app.add_flag("--profile", f.serving.profile, "start the server's profiler for the run");
}

Result<ServingOptions> complete(const ServingFlags& flags) {
  ServingOptions options = flags.serving;
  RequestFormat& format = options.format;
  format.backend = find_serving_backend(flags.backend);
  if (format.model.empty()) format.model = options.model_path;
  format.stream = !flags.disable_stream;
  format.ignore_eos = !flags.disable_ignore_eos;
  if (flags.top_p > 0) format.top_p = flags.top_p;
  if (!flags.extra_request_body.empty()) {
    const auto extra = parse_json(flags.extra_request_body);
    if (!extra || !extra->is_object())
      return wrong_flag("--extra-request-body: expected a JSON object");
    format.extra = *extra;
  }
  options.request_rate = TRY(parse_rate(flags.request_rate));
  options.headers = TRY(parse_headers(flags.headers));
  const int port = flags.port > 0 ? flags.port : format.backend->default_port;
  options.stop = &ctrl_c_came();
  options.base_url = flags.base_url.empty() ? server_url(flags.host, port) : flags.base_url;
  return options;
}

Result<BenchServer> wait_for_server(const ServingOptions& options) {
  BenchServer server = TRY(find_bench_server(options, [&](const std::string& why) {
    std::fprintf(stderr, "%s Waiting for it, up to %.0f s.\n", why.c_str(),
                 options.ready_timeout_s);
  }));
  note_ctrl_c();
  return server;
}

int exit_status(const Result<void>& done) {
  if (done) return 0;
  std::fprintf(stderr, "error: %s\n", done.error().message.c_str());
  return done.error().code == ErrorCode::kInvalidRequest ? 2 : 1;
}

}  // namespace glint
