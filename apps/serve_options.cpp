#include "apps/serve_options.h"

#include <CLI/CLI.hpp>
#include <random>
#include <string_view>
#include <thread>

#include "apps/bundled_model.h"
#include "apps/command_line.h"
#include "base/log.h"

namespace glint {
namespace {

constexpr const char* kIgnoredGroup = "Accepted and ignored";

// Taken from launch lines made for SGLang; the last part of each name is its value, if any.
constexpr const char* kIgnoredWithValue[] = {"--attention-backend",
                                             "--prefill-attention-backend",
                                             "--decode-attention-backend",
                                             "--speculative-draft-attention-backend",
                                             "--sampling-backend",
                                             "--moe-runner-backend",
                                             "--moe-a2a-backend",
                                             "--grammar-backend",
                                             "--tokenizer-mode",
                                             "--num-continuous-decode-steps",
                                             "--triton-attention-num-kv-splits",
                                             "--dist-init-addr",
                                             "--nnodes",
                                             "--node-rank",
                                             "--download-dir",
                                             "--revision",
                                             "--cuda-graph-max-bs",
                                             "--schedule-conservativeness",
                                             "--max-prefill-tokens",
                                             "--stream-interval",
                                             "--watchdog-timeout",
                                             "--decode-log-interval",
                                             "--log-requests-level",
                                             "--kv-cache-dtype",
                                             "--radix-eviction-policy",
                                             "--sampling-defaults",
                                             "--tokenizer-worker-num",
                                             "--base-gpu-id",
                                             "--speculative-algorithm",
                                             "--speculative-num-steps",
                                             "--speculative-eagle-topk",
                                             "--speculative-num-draft-tokens",
                                             "--speculative-draft-model-path",
                                             "--expert-parallel-size,--ep-size,--ep"};
constexpr const char* kIgnoredFlags[] = {
    "--trust-remote-code",        "--enable-torch-compile",
    "--enable-p2p-check",         "--disable-custom-all-reduce",
    "--enable-nan-detection",     "--disable-shared-experts-fusion",
    "--enable-tf32-matmul",       "--disable-cuda-graph",
    "--disable-overlap-schedule", "--enable-dp-attention",
    "--enable-mixed-chunk",       "--enable-metrics",
    "--enable-cache-report",      "--enable-priority-scheduling",
    "--skip-server-warmup"};

void add_model_flags(CLI::App& app, ServeOptions& o) {
  add_model_argument(app, o.load.model, "model,--model-path,--model");
  app.add_option("--tokenizer-path", o.load.tokenizer_path, "folder of tokenizer.json");
  app.add_option("--served-model-name", o.api.served_model_name,
                 "the model's name in the API; default: MODEL as typed, or glint-small");
  app.add_option("--chat-template", o.load.chat_template, "only the official one is accepted");
  app.add_option("--load-format", o.load.load_format, "auto, safetensors, or dummy: random weights")
      ->capture_default_str();
  app.add_option("--dtype", o.load.dtype, "auto, bfloat16 or float32")->capture_default_str();
  app.add_option("--context-length", o.load.context_length, "prompt and output of one request")
      ->check(above_zero());
  app.add_flag("--skip-tokenizer-init", o.load.skip_tokenizer_init, "serve input_ids only");
  app.add_option("--device", o.load.device, "auto, cpu or cuda")->capture_default_str();
  app.add_option("--threads", o.load.num_threads, "of the CPU backend; 0: all cores")
      ->capture_default_str()
      ->check(zero_or_more());
}

void add_http_flags(CLI::App& app, ServeOptions& o) {
  app.add_option("--host", o.http.host, "address to listen on")->capture_default_str();
  app.add_option("--port", o.http.port, "0: any free one")->capture_default_str();
  app.add_option("--http-threads", o.http.num_threads, "threads for HTTP, text and tokens")
      ->capture_default_str()
      ->check(above_zero());
  app.add_option("--grace-period", o.grace_period_s,
                 "seconds that running answers get after SIGTERM")
      ->capture_default_str()
      ->check(zero_or_more());
  app.add_option("--log-level", o.log_level, "debug, info, warning or error")
      ->capture_default_str()
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}));
  app.add_flag("--serve-version", o.api.serve_version,
               "answer /version as vLLM does; routers then take this server for one");
  app.add_flag("--log-requests", o.api.log_requests, "one line for each request that ends");
}

void add_scheduler_flags(CLI::App& app, ServeOptions& o) {
  SchedulerLimits& limits = o.load.limits;
  app.add_option("--max-total-tokens", o.load.max_total_tokens, "tokens in the KV cache")
      ->check(above_zero());
  app.add_option(
         "--mem-fraction-static", o.load.mem_fraction_static,
         "part of the GPU's memory for weights and KV cache; default: all but the workspace")
      ->check(between(0.0, 1.0));
  app.add_option("--max-running-requests", limits.max_running_requests, "in one step at most")
      ->capture_default_str()
      ->check(above_zero());
  app.add_option("--max-queued-requests", limits.max_queued_requests,
                 "beyond so many waiting ones: 503; -1: no limit")
      ->capture_default_str();
  app.add_option("--chunked-prefill-size", o.load.chunked_prefill_size,
                 "prompt tokens in one step; -1: whole prompts; default: 8192 on a GPU, else 512");
  app.add_option("--schedule-policy", o.schedule_policy,
                 "fcfs, lpm (longest cached prefix) or priority")
      ->capture_default_str()
      ->check(CLI::IsMember({"fcfs", "lpm", "priority"}));
  app.add_option("--page-size", limits.page_size, "tokens in a KV page")
      ->capture_default_str()
      ->check(between(1, 1024));
  app.add_flag("--deterministic,--enable-deterministic-inference", o.load.deterministic,
               "a request gets the same tokens whatever runs or is cached beside it");
  app.add_flag("--disable-radix-cache", o.disable_radix_cache, "share no prefixes");
}

void add_api_flags(CLI::App& app, ServeOptions& o) {
  app.add_option("--reasoning-parser", o.reasoning_parser,
                 "glm45 splits off the reasoning; none: raw text")
      ->capture_default_str()
      ->check(CLI::IsMember({"glm45", "none"}));
  app.add_option("--tool-call-parser", o.tool_call_parser,
                 "glm47 makes tool calls of their markup; none: raw text")
      ->capture_default_str()
      ->check(CLI::IsMember({"glm47", "none"}));
  app.add_flag("--stream-output,--incremental-streaming-output", o.api.incremental_output,
               "/generate streams what is new instead of all so far");
  app.add_option("--random-seed", o.random_seed,
                 "of requests without a seed; default: a random one, or 0 with --deterministic");
}

void add_compatible_flags(CLI::App& app) {
  for (const char* name :
       {"--tensor-parallel-size,--tp-size,--tp", "--data-parallel-size,--dp-size,--dp"}) {
    app.add_option(name, "1: several GPUs are not available yet")->check(CLI::IsMember({"1"}));
  }
  for (const char* name : kIgnoredWithValue)
    app.add_option(name)->group(kIgnoredGroup)->expected(1);
  for (const char* name : kIgnoredFlags) app.add_flag(name)->group(kIgnoredGroup);
}

void warn_of_ignored(const CLI::App& app) {
  std::string names;
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group() != kIgnoredGroup || option->count() == 0) continue;
    names += (names.empty() ? "" : " ") + option->get_name();
  }
  if (!names.empty()) log_warning("flags without effect here", {{"flags", names}});
}

SchedulePolicy policy_of(std::string_view name) {
  if (name == "lpm") return SchedulePolicy::kLpm;
  return name == "priority" ? SchedulePolicy::kPriority : SchedulePolicy::kFcfs;
}

LogLevel level_of(std::string_view name) {
  if (name == "debug") return LogLevel::kDebug;
  if (name == "warning") return LogLevel::kWarning;
  return name == "error" ? LogLevel::kError : LogLevel::kInfo;
}

}  // namespace

void add_serve_flags(CLI::App& app, ServeOptions& options) {
  options.http.num_threads =
      static_cast<int>(std::max(2u, std::thread::hardware_concurrency() / 2));
  add_model_flags(app, options);
  add_http_flags(app, options);
  add_scheduler_flags(app, options);
  add_api_flags(app, options);
  add_compatible_flags(app);
}

void finish_serve_options(const CLI::App& app, ServeOptions& options) {
  set_log_level(level_of(options.log_level));
  warn_of_ignored(app);
  SchedulerLimits& limits = options.load.limits;
  if (limits.page_size != 64)
    log_warning("pages of 64 tokens are what glint is tuned for",
                {{"page_size", limits.page_size}});
  limits.policy = policy_of(options.schedule_policy);
  limits.prefix_cache = !options.disable_radix_cache;
  ApiOptions& api = options.api;
  api.parse_reasoning = options.reasoning_parser != "none";
  api.parse_tool_calls = options.tool_call_parser != "none";
  api.deterministic = options.load.deterministic;
  const uint64_t unset_seed = api.deterministic ? 0 : std::random_device{}();
  api.random_seed = options.random_seed.value_or(unset_seed);
  options.load.random_seed = api.random_seed;
  api.load_format = options.load.load_format;
  api.version = GLINT_VERSION;
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
