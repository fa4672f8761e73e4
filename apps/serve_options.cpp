#include "apps/serve_options.h"

#include <CLI/CLI.hpp>
#include <random>
#include <string_view>
#include <thread>

#include "apps/bundled_model.h"
#include "apps/command_line.h"
#include "apps/decode_log.h"
#include "apps/sglang_flags.h"
#include "base/log.h"

namespace glint {
namespace {

void add_model_flags(CLI::App& app, ServeOptions& o) {
  app.option_defaults()->group("Model");
  add_model_argument(app, o.load.model, "model,--model-path,--model");
  app.add_option("--revision", o.load.hub.revision,
                 "of an id: a branch or tag that was fetched, or a commit's hash; default: main");
  app.add_option("--download-dir", o.load.hub.cache,
                 "the cache that has the id; default: HF_HOME's");
  app.add_option("--tokenizer-path", o.load.tokenizer_path, "folder of tokenizer.json");
  app.add_option("--served-model-name", o.api.served_model_name,
                 "the model's name in the API; default: MODEL as typed, or glint-small");
  app.add_option("--chat-template", o.load.chat_template, "only the official one is accepted");
  app.add_option("--load-format", o.load.load_format, "auto, safetensors, or dummy: random weights")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "safetensors", "dummy"}));
  app.add_option("--dtype", o.load.dtype, "auto, bfloat16 or float32")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "bfloat16", "bf16", "float32", "float"}));
  app.add_option("--context-length", o.load.context_length, "prompt and output of one request")
      ->check(above_zero());
  app.add_flag("--skip-tokenizer-init", o.load.skip_tokenizer_init, "serve input_ids only");
  app.add_option("--device", o.load.device, "auto, cpu or cuda")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}));
  app.add_option("--base-gpu-id", o.load.base_gpu_id, "of the GPUs that the process may see")
      ->capture_default_str()
      ->check(zero_or_more());
  app.add_option("--threads", o.load.num_threads, "of the CPU backend; 0: all cores")
      ->capture_default_str()
      ->check(zero_or_more());
  app.add_option("--random-seed", o.random_seed,
                 "of requests without a seed; default: a random one, or 0 with --deterministic");
}

void add_http_flags(CLI::App& app, ServeOptions& o) {
  app.option_defaults()->group("HTTP");
  app.add_option("--host", o.http.host, "address to listen on")->capture_default_str();
  app.add_option("--port", o.http.port, "0: any free one")->capture_default_str();
  app.add_option("--http-threads", o.http.num_threads, "threads for HTTP, text and tokens")
      ->capture_default_str()
      ->check(above_zero());
  app.add_option("--grace-period", o.grace_period_s,
                 "seconds that running answers get after SIGTERM")
      ->capture_default_str()
      ->check(zero_or_more());
  app.add_option("--tokenizer-worker-num", o.tokenizer_worker_num,
                 "at least so many HTTP threads, which are what tokenizes")
      ->check(above_zero());
  app.add_flag("--serve-version", o.api.serve_version,
               "answer /version as vLLM does; routers then take this server for one");
}

void add_log_flags(CLI::App& app, ServeOptions& o) {
  app.option_defaults()->group("Log and supervision");
  app.add_option("--log-level", o.log_level, "debug, info, warning or error")
      ->capture_default_str()
      ->check(CLI::IsMember({"debug", "info", "warning", "error", "critical"}, CLI::ignore_case));
  app.add_flag("--log-requests", o.api.log_requests, "a line for each answer that ends");
  app.add_option("--log-requests-level", o.api.log_requests_level,
                 "0: counts; 1: what was asked for, too; 2: texts, each cut after 2,048 bytes; 3: "
                 "whole texts")
      ->capture_default_str()
      ->check(between(0, 3));
  app.add_option("--decode-log-interval", o.decode_log_interval,
                 "a line of statistics after so many steps that decode; 0: none")
      ->capture_default_str()
      ->check(zero_or_more());
  app.add_option("--watchdog-timeout", o.watchdog_timeout_s,
                 "seconds after which a step that does not end ends the process; 0: never")
      ->capture_default_str()
      ->check(zero_or_more());
}

void add_memory_flags(CLI::App& app, ServeOptions& o) {
  app.option_defaults()->group("Memory");
  app.add_option("--max-total-tokens", o.load.max_total_tokens, "tokens in the KV cache")
      ->check(above_zero());
  app.add_option(
         "--mem-fraction-static", o.load.mem_fraction_static,
         "part of the GPU's memory for weights and KV cache; default: all but the workspace")
      ->check(between(0.0, 1.0));
  app.add_option("--page-size", o.load.limits.page_size, "tokens in a KV page")
      ->capture_default_str()
      ->check(between(1, 1024));
  app.add_flag("--disable-radix-cache", o.disable_radix_cache, "share no prefixes");
  app.add_option("--radix-eviction-policy", o.radix_eviction_policy,
                 "lru; others are taken as lru, with a warning")
      ->capture_default_str()
      ->check(CLI::IsMember({"lru", "lfu", "slru", "priority"}));
  app.add_flag("--disable-cuda-graph", o.disable_cuda_graph, "compute every step op by op");
  app.add_option("--cuda-graph-max-bs", o.load.max_recorded_rows,
                 "record no decode steps of more requests")
      ->check(zero_or_more());
  app.add_option("--cuda-graph-bs", o.cuda_graph_bs, "record decode steps of these sizes")
      ->expected(1, 1 << 10)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->check(above_zero());
}

void add_scheduler_flags(CLI::App& app, ServeOptions& o) {
  app.option_defaults()->group("Scheduling");
  SchedulerLimits& limits = o.load.limits;
  app.add_option("--max-running-requests", limits.max_running_requests, "in one step at most")
      ->capture_default_str()
      ->check(above_zero());
  app.add_option("--max-queued-requests", limits.max_queued_requests,
                 "beyond so many waiting ones: 503; -1: no limit")
      ->capture_default_str();
  app.add_option("--chunked-prefill-size", o.load.chunked_prefill_size,
                 "prompt tokens in one step; -1: whole prompts; default: 8192 on a GPU, else 512")
      ->check(above_zero_or_minus_one());
  app.add_option("--max-prefill-tokens", limits.max_prefill_tokens,
                 "prompt tokens in one step; a whole prompt may be longer")
      ->capture_default_str()
      ->check(above_zero());
  app.add_option(
         "--unchunked-prefill-size", limits.max_alone_tokens,
         "a prompt of so many tokens at most, alone in the server, takes one step; 0: it is "
         "chunked as any")
      ->capture_default_str()
      ->check(zero_or_more());
  app.add_option("--schedule-policy", o.schedule_policy,
                 "fcfs, lpm (longest cached prefix), lof (longest output) or priority; dfs-weight "
                 "is taken as lpm, random and routing-key as fcfs, with a warning")
      ->capture_default_str()
      ->check(
          CLI::IsMember({"fcfs", "lpm", "lof", "priority", "dfs-weight", "random", "routing-key"}));
  app.add_flag("--enable-priority-scheduling", o.enable_priority_scheduling,
               "higher priority first, and in place of lower ones that run");
  app.add_flag("--schedule-low-priority-values-first", limits.low_priority_values_first,
               "lower numbers are higher priorities");
  app.add_option("--priority-scheduling-preemption-threshold", o.preemption_threshold,
                 "a request takes another's place if its priority is higher by more than this")
      ->capture_default_str();
  app.add_option("--schedule-conservativeness", limits.conservativeness,
                 "KV pages kept free for each running request when another starts")
      ->capture_default_str()
      ->check(zero_or_more());
  app.add_flag("--disable-overlap-schedule", o.disable_overlap,
               "plan a step only after the one before it is done");
  app.add_flag("--deterministic,--enable-deterministic-inference", o.load.deterministic,
               "a request gets the same tokens whatever runs or is cached beside it");
}

void add_api_flags(CLI::App& app, ServeOptions& o) {
  app.option_defaults()->group("API");
  app.add_option("--reasoning-parser", o.reasoning_parser,
                 "glm45 splits off the reasoning; none: raw text")
      ->capture_default_str()
      ->check(CLI::IsMember({"glm45", "none"}));
  app.add_option("--tool-call-parser", o.tool_call_parser,
                 "glm47 makes tool calls of their markup; none: raw text")
      ->capture_default_str()
      ->check(CLI::IsMember({"glm47", "none"}));
  app.add_option(
         "--sampling-defaults", o.sampling_defaults,
         "of what a request leaves out: model (generation_config.json) or openai (1 and off)")
      ->capture_default_str()
      ->check(CLI::IsMember({"model", "openai"}));
  app.add_option("--preferred-sampling-params", o.preferred_sampling_params,
                 "a JSON object of sampling_params for what a request leaves out");
  app.add_flag("--stream-output,--incremental-streaming-output", o.api.incremental_output,
               "/generate streams what is new instead of all so far");
  app.add_flag("--keep-billing-header", o.api.keep_billing_header,
               "keep Claude Code's x-anthropic-billing-header line in the prompt, where it changes "
               "with each request and defeats the prefix cache");
  app.add_option("--stream-interval", o.api.stream_interval,
                 "tokens in one piece of a stream, after the first")
      ->capture_default_str()
      ->check(above_zero());
  app.add_flag("--allow-auto-truncate", o.api.allow_auto_truncate,
               "cut what is too long instead of refusing it");
}

Error wrong_usage(std::string message) {
  return {ErrorCode::kInvalidRequest, std::move(message), {}};
}

// What stands in for those that are not built. They order the line, so answers do not depend on it.
SchedulePolicy policy_of(const std::string& name) {
  if (name == "lpm" || name == "dfs-weight") return SchedulePolicy::kLpm;
  if (name == "lof") return SchedulePolicy::kLof;
  return name == "priority" ? SchedulePolicy::kPriority : SchedulePolicy::kFcfs;
}

void warn_of_stand_ins(const ServeOptions& options) {
  const std::string& policy = options.schedule_policy;
  const bool is_lpm = policy_of(policy) == SchedulePolicy::kLpm;
  if (policy == "dfs-weight" || policy == "random" || policy == "routing-key")
    log_warning("another schedule policy is used",
                {{"asked", policy}, {"used", is_lpm ? "lpm" : "fcfs"}});
  if (options.radix_eviction_policy != "lru")
    log_warning("another eviction policy is used",
                {{"asked", options.radix_eviction_policy}, {"used", "lru"}});
  if (options.load.limits.page_size != 64)
    log_warning("pages of 64 tokens are what glint is tuned for",
                {{"page_size", options.load.limits.page_size}});
}

LogLevel level_of(std::string_view name) {
  if (name == "debug") return LogLevel::kDebug;
  if (name == "warning") return LogLevel::kWarning;
  return name == "error" || name == "critical" ? LogLevel::kError : LogLevel::kInfo;
}

Result<void> finish_scheduling(ServeOptions& options) {
  SchedulerLimits& limits = options.load.limits;
  limits.policy = policy_of(options.schedule_policy);
  limits.prefix_cache = !options.disable_radix_cache;
  options.load.engine.run_ahead = !options.disable_overlap;
  if (!options.enable_priority_scheduling) return {};
  const std::string& policy = options.schedule_policy;
  if (policy != "fcfs" && policy != "priority")
    return wrong_usage(cat("--enable-priority-scheduling orders by priority and --schedule-policy ",
                           policy, " does not: leave one of them out."));
  limits.policy = SchedulePolicy::kPriority;
  limits.preemption_threshold = options.preemption_threshold;
  return {};
}

Result<void> finish_api(ServeOptions& options) {
  ApiOptions& api = options.api;
  api.parse_reasoning = options.reasoning_parser != "none";
  api.parse_tool_calls = options.tool_call_parser != "none";
  api.deterministic = options.load.deterministic;
  const uint64_t unset_seed = api.deterministic ? 0 : std::random_device{}();
  api.random_seed = options.random_seed.value_or(unset_seed);
  api.load_format = options.load.load_format;
  api.version = GLINT_VERSION;
  if (options.preferred_sampling_params.empty()) return {};
  Result<PreferredParams> preferred = parse_preferred_params(options.preferred_sampling_params);
  if (!preferred)
    return wrong_usage(cat("--preferred-sampling-params: ", preferred.error().message));
  api.preferred = *preferred;
  return {};
}

}  // namespace

void add_serve_flags(CLI::App& app, ServeOptions& options) {
  options.http.num_threads =
      static_cast<int>(std::max(2u, std::thread::hardware_concurrency() / 2));
  app.option_defaults()->take_last();  // as in Python's argparse
  app.add_option("--config", options.config_path,
                 "a YAML file of flags; what is typed beside it wins")
      ->type_name("FILE");
  add_model_flags(app, options);
  add_http_flags(app, options);
  add_memory_flags(app, options);
  add_scheduler_flags(app, options);
  add_api_flags(app, options);
  add_log_flags(app, options);
  add_security_flags(app, options);
  add_sglang_flags(app);
}

Result<void> finish_serve_options(const CLI::App& app, ServeOptions& options) {
  TRY(refuse_unavailable_flags(app));
  TRY(finish_scheduling(options));
  TRY(finish_api(options));
  set_log_level(level_of(CLI::detail::to_lower(options.log_level)));
  warn_of_flags_without_effect(app);
  warn_of_stand_ins(options);
  warn_if_open(options);
  options.http.num_threads = std::max(options.http.num_threads, options.tokenizer_worker_num);
  LoadOptions& load = options.load;
  load.random_seed = options.api.random_seed;
  if (!options.cuda_graph_bs.empty()) load.recorded_rows = options.cuda_graph_bs;
  if (options.disable_cuda_graph) load.max_recorded_rows = 0;
  load.engine.report_interval = options.decode_log_interval;
  if (options.decode_log_interval > 0) load.engine.report = DecodeLog();
  return {};
}

Result<void> name_model(ServeOptions& options) {
  LoadOptions& load = options.load;
  ApiOptions& api = options.api;
  if (api.served_model_name.empty())
    api.served_model_name = load.model.empty() ? kBundledModelName : load.model;
  load.model = TRY(model_or_bundled(load.model));
  api.model_path = load.model;
  api.tokenizer_path = load.tokenizer_path.empty() ? load.model : load.tokenizer_path;
  return {};
}

}  // namespace glint
