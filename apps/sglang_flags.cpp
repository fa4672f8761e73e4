#include "apps/sglang_flags.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>

#include "base/log.h"

namespace glint {
namespace {

constexpr const char* kAnyway = "As asked, always";
constexpr const char* kWithoutEffect = "Accepted without effect";
constexpr const char* kRefused = "Refused";

enum class Takes { kNothing, kValue, kValues };

struct SglangFlag {
  const char* names;  // as CLI11 takes them
  Takes takes = Takes::kNothing;
  const char* why = "";   // a phrase for --help; in the error, too, of those that are refused
  const char* fine = "";  // of those: the values, separated by spaces, that mean what glint does
};

constexpr SglangFlag kAnywayFlags[] = {
    {"--enable-metrics", Takes::kNothing, "/metrics is always there"},
    {"--enable-cache-report", Takes::kNothing, "usage always counts cached tokens"},
    {"--enable-mixed-chunk", Takes::kNothing, "prompts and answers share steps"},
    {"--enable-strict-thinking", Takes::kNothing, "needed for nothing"},
    {"--skip-server-warmup", Takes::kNothing, "no request is made to warm up"},
    {"--enable-request-time-stats-logging", Takes::kNothing, "--log-requests has the times"},
};

// Speed, places of log files, and what other models or several GPUs need.
constexpr SglangFlag kFlagsWithoutEffect[] = {
    {"--attention-backend", Takes::kValue, "there is one"},
    {"--prefill-attention-backend", Takes::kValue, "there is one"},
    {"--decode-attention-backend", Takes::kValue, "there is one"},
    {"--mm-attention-backend", Takes::kValue, "text only"},
    {"--sampling-backend", Takes::kValue, "there is one"},
    {"--grammar-backend", Takes::kValue, "of glint's own choice"},
    {"--moe-runner-backend", Takes::kValue, "there is one"},
    {"--moe-a2a-backend", Takes::kValue, "one GPU"},
    {"--deepep-mode", Takes::kValue, "one GPU"},
    {"--fp8-gemm-backend", Takes::kValue, "there is none"},
    {"--speculative-algorithm", Takes::kValue, "no speculation yet: the same tokens, one a step"},
    {"--speculative-draft-model-path,--speculative-draft-model", Takes::kValue, "as above"},
    {"--speculative-draft-model-revision", Takes::kValue, "as above"},
    {"--speculative-draft-load-format", Takes::kValue, "as above"},
    {"--speculative-draft-attention-backend", Takes::kValue, "as above"},
    {"--speculative-num-steps", Takes::kValue, "as above"},
    {"--speculative-eagle-topk", Takes::kValue, "as above"},
    {"--speculative-num-draft-tokens", Takes::kValue, "as above"},
    {"--speculative-accept-threshold-single", Takes::kValue, "as above"},
    {"--speculative-accept-threshold-acc", Takes::kValue, "as above"},
    {"--speculative-token-map", Takes::kValue, "as above"},
    {"--speculative-attention-mode", Takes::kValue, "as above"},
    {"--speculative-draft-model-quantization", Takes::kValue, "as above"},
    {"--speculative-moe-runner-backend", Takes::kValue, "as above"},
    {"--speculative-moe-a2a-backend", Takes::kValue, "as above"},
    {"--enable-multi-layer-eagle", Takes::kNothing, "as above"},
    {"--tokenizer-mode", Takes::kValue, "there is one tokenizer"},
    {"--enable-tokenizer-batch-encode", Takes::kNothing, "HTTP threads share the work"},
    {"--disable-tokenizer-batch-decode", Takes::kNothing, "HTTP threads share the work"},
    {"--enable-dynamic-batch-tokenizer", Takes::kNothing, "HTTP threads share the work"},
    {"--dynamic-batch-tokenizer-batch-size", Takes::kValue, "HTTP threads share the work"},
    {"--dynamic-batch-tokenizer-batch-timeout", Takes::kValue, "HTTP threads share the work"},
    {"--disable-fast-image-processor", Takes::kNothing, "text only"},
    {"--enable-multimodal", Takes::kNothing, "text only"},
    {"--model-impl", Takes::kValue, "there is one"},
    {"--trust-remote-code", Takes::kNothing, "a model's folder is data, never code"},
    {"--num-continuous-decode-steps", Takes::kValue, "a step runs ahead always"},
    {"--triton-attention-num-kv-splits", Takes::kValue, "chosen by the step"},
    {"--triton-attention-reduce-in-fp32", Takes::kNothing, "always FP32"},
    {"--triton-attention-split-tile-size", Takes::kValue, "another library's"},
    {"--disable-flashinfer-autotune", Takes::kNothing, "another library's"},
    {"--disable-outlines-disk-cache", Takes::kNothing, "another library's"},
    {"--flashinfer-mla-disable-ragged", Takes::kNothing, "another library's"},
    {"--disable-chunked-prefix-cache", Takes::kNothing, "another library's"},
    {"--disable-shared-experts-fusion", Takes::kNothing, "of glint's own choice"},
    {"--enable-torch-compile", Takes::kNothing, "nothing is compiled at run time"},
    {"--torch-compile-max-bs", Takes::kValue, "nothing is compiled at run time"},
    {"--enable-torch-compile-debug-mode", Takes::kNothing, "nothing is compiled at run time"},
    {"--enable-piecewise-cuda-graph", Takes::kNothing, "steps that decode are whole graphs"},
    {"--piecewise-cuda-graph-tokens", Takes::kValue, "steps that decode are whole graphs"},
    {"--piecewise-cuda-graph-max-tokens", Takes::kValue, "steps that decode are whole graphs"},
    {"--piecewise-cuda-graph-compiler", Takes::kValue, "nothing is compiled at run time"},
    {"--enable-cudagraph-gc", Takes::kNothing, "no garbage is collected"},
    {"--disable-cuda-graph-padding", Takes::kNothing, "--cuda-graph-bs chooses the sizes"},
    {"--enable-tf32-matmul", Takes::kNothing, "products are BF16"},
    {"--enable-nan-detection", Takes::kNothing, "bad numbers always end their own request"},
    {"--enable-p2p-check", Takes::kNothing, "one GPU"},
    {"--disable-custom-all-reduce", Takes::kNothing, "one GPU"},
    {"--enable-mscclpp", Takes::kNothing, "one GPU"},
    {"--enable-symm-mem", Takes::kNothing, "one GPU"},
    {"--enable-nccl-nvls", Takes::kNothing, "one GPU"},
    {"--enable-flashinfer-allreduce-fusion", Takes::kNothing, "one GPU"},
    {"--enable-dp-attention", Takes::kNothing, "one GPU"},
    {"--enable-dp-lm-head", Takes::kNothing, "one GPU"},
    {"--enable-two-batch-overlap", Takes::kNothing, "one GPU"},
    {"--enable-single-batch-overlap", Takes::kNothing, "one GPU"},
    {"--tbo-token-distribution-threshold", Takes::kValue, "one GPU"},
    {"--enable-torch-symm-mem", Takes::kNothing, "one GPU"},
    {"--enable-attn-tp-input-scattered", Takes::kNothing, "one GPU"},
    {"--moe-dense-tp-size", Takes::kValue, "one GPU"},
    {"--deepep-config", Takes::kValue, "one GPU"},
    {"--elastic-ep-backend", Takes::kValue, "one GPU"},
    {"--ep-num-redundant-experts", Takes::kValue, "one GPU"},
    {"--ep-dispatch-algorithm", Takes::kValue, "one GPU"},
    {"--init-expert-location", Takes::kValue, "one GPU"},
    {"--enable-eplb", Takes::kNothing, "one GPU"},
    {"--eplb-algorithm", Takes::kValue, "one GPU"},
    {"--eplb-rebalance-num-iterations", Takes::kValue, "one GPU"},
    {"--eplb-rebalance-layers-per-chunk", Takes::kValue, "one GPU"},
    {"--eplb-min-rebalancing-utilization-threshold", Takes::kValue, "one GPU"},
    {"--pp-max-micro-batch-size", Takes::kValue, "one GPU"},
    {"--pp-async-batch-depth", Takes::kValue, "one GPU"},
    {"--enable-dynamic-chunking", Takes::kNothing, "one GPU"},
    {"--gpu-id-step", Takes::kValue, "one GPU"},
    {"--enable-metrics-for-all-schedulers", Takes::kNothing, "one GPU"},
    {"--load-balance-method", Takes::kValue, "one copy of the model"},
    {"--dist-init-addr,--nccl-init-addr", Takes::kValue, "one machine"},
    {"--dist-timeout", Takes::kValue, "one machine"},
    {"--nccl-port", Takes::kValue, "one GPU"},
    {"--numa-node", Takes::kValue, "start it with numactl"},
    {"--enable-memory-saver", Takes::kNothing, "memory is kept"},
    {"--scheduler-recv-interval", Takes::kValue, "requests are taken at every step"},
    {"--warmups", Takes::kValue, "no request is made to warm up"},
    {"--soft-watchdog-timeout", Takes::kValue, "--watchdog-timeout ends the process"},
    {"--prefill-max-requests", Takes::kValue, "--max-prefill-tokens bounds a step"},
    {"--swa-full-tokens-ratio", Takes::kValue, "another kind of model"},
    {"--weight-loader-disable-mmap", Takes::kNothing, "files are mapped"},
    {"--model-loader-extra-config", Takes::kValue, "files are mapped"},
    {"--enable-custom-logit-processor", Takes::kNothing, "no code comes with a request"},
    {"--log-level-http", Takes::kValue, "--log-level is for both"},
    {"--crash-dump-folder", Takes::kValue, "nothing is written but the log"},
    {"--file-storage-path", Takes::kValue, "nothing is written but the log"},
    {"--collect-tokens-histogram", Takes::kNothing, "/metrics has its own buckets"},
    {"--bucket-time-to-first-token", Takes::kValues, "/metrics has its own buckets"},
    {"--bucket-inter-token-latency", Takes::kValues, "/metrics has its own buckets"},
    {"--bucket-e2e-request-latency", Takes::kValues, "/metrics has its own buckets"},
    {"--prompt-tokens-buckets", Takes::kValues, "/metrics has its own buckets"},
    {"--generation-tokens-buckets", Takes::kValues, "/metrics has its own buckets"},
    {"--gc-warning-threshold-secs", Takes::kValue, "no garbage is collected"},
    {"--sleep-on-idle", Takes::kNothing, "it always sleeps when idle"},
    {"--show-time-cost", Takes::kNothing, "another library's"},
};

constexpr SglangFlag kRefusedFlags[] = {
    {"--tensor-parallel-size,--tp-size,--tp", Takes::kValue, "several GPUs are not available yet",
     "1"},
    {"--data-parallel-size,--dp-size,--dp", Takes::kValue,
     "one server has one copy of the model; start several behind a router", "1"},
    {"--pipeline-parallel-size,--pp-size", Takes::kValue, "several GPUs are not available yet",
     "1"},
    {"--expert-parallel-size,--ep-size,--ep", Takes::kValue, "several GPUs are not available yet",
     "1"},
    {"--nnodes", Takes::kValue, "a server is one machine; start several behind a router", "1"},
    {"--node-rank", Takes::kValue, "a server is one machine; start several behind a router", "0"},
    {"--quantization", Takes::kValue, "weights are BF16 or FP32 so far", "none unquant"},
    {"--quantization-param-path", Takes::kValue, "weights and KV cache are BF16 or FP32 so far"},
    {"--torchao-config", Takes::kValue, "weights are BF16 or FP32 so far"},
    {"--kv-cache-dtype", Takes::kValue, "the KV cache has the model's own type so far",
     "auto bf16 bfloat16"},
    {"--cpu-offload-gb", Takes::kValue, "weights are on the GPU, all of them", "0"},
    {"--enable-hierarchical-cache", Takes::kNothing, "the KV cache is on the GPU alone so far"},
    {"--enable-lmcache", Takes::kNothing, "the KV cache is on the GPU alone so far"},
    {"--disaggregation-mode", Takes::kValue, "prompts and answers are computed by one server",
     "null"},
    {"--enable-lora", Takes::kNothing, "adapters are not available"},
    {"--lora-paths", Takes::kValues, "adapters are not available"},
    {"--is-embedding", Takes::kNothing, "the model generates text"},
    {"--kv-events-config", Takes::kValue, "KV events are not available yet"},
    {"--json-model-override-args", Takes::kValue, "the model is what its config.json says", "{}"},
    {"--fastapi-root-path", Takes::kValue, "paths begin at /; let the proxy cut its prefix"},
    {"--grpc-mode", Takes::kNothing, "the server speaks HTTP"},
};

CLI::Option* add_flag(CLI::App& app, const SglangFlag& flag, const char* group) {
  if (flag.takes == Takes::kNothing) return app.add_flag(flag.names, flag.why)->group(group);
  CLI::Option* option = app.add_option(flag.names, flag.why)->group(group)->type_name("TEXT");
  if (flag.takes == Takes::kValue) return option->expected(1)->take_last();
  return option->expected(1, 1 << 10);
}

// "auto or bf16"
std::string fine_values(const SglangFlag& flag) {
  std::string values = flag.fine;
  for (size_t at = 0; (at = values.find(' ', at)) != std::string::npos; at += 4)
    values.replace(at, 1, " or ");
  return values;
}

std::string help_of(const SglangFlag& flag) {
  return *flag.fine == '\0' ? flag.why : cat("only ", fine_values(flag), ": ", flag.why);
}

bool is_asked_for(const CLI::Option& option) {
  return option.count() > 0 && option.results().back() != "false";
}

// Whether `fine`, a list separated by spaces, has `word`.
bool has_word(std::string_view fine, std::string_view word) {
  for (size_t at = 0; at <= fine.size();) {
    const size_t end = std::min(fine.find(' ', at), fine.size());
    if (fine.substr(at, end - at) == word) return !word.empty();
    at = end + 1;
  }
  return false;
}

// The first name, without its aliases.
std::string first_name(const SglangFlag& flag) {
  const std::string_view names = flag.names;
  return std::string(names.substr(0, names.find(',')));
}

Error refusal(const SglangFlag& flag, const CLI::Option& option) {
  std::string sentence = first_name(flag);
  if (flag.takes == Takes::kValue) sentence += " " + option.results().back();
  if (flag.takes == Takes::kValues)
    for (const std::string& value : option.results()) sentence += " " + value;
  sentence += cat(": ", flag.why, ". ");
  sentence += *flag.fine == '\0' ? "Leave it out."
                                 : cat("Expected ", fine_values(flag), ", or no such flag.");
  return {ErrorCode::kInvalidRequest, std::move(sentence), {}};
}

void note_environment() {
  std::string names;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view variable = *entry;
    if (variable.starts_with("SGLANG_"))
      names += cat(names.empty() ? "" : " ", variable.substr(0, variable.find('=')));
  }
  if (!names.empty()) log_info("environment without effect here", {{"variables", names}});
}

}  // namespace

void add_sglang_flags(CLI::App& app) {
  for (const SglangFlag& flag : kAnywayFlags) add_flag(app, flag, kAnyway);
  for (const SglangFlag& flag : kFlagsWithoutEffect) add_flag(app, flag, kWithoutEffect);
  for (const SglangFlag& flag : kRefusedFlags)
    add_flag(app, flag, kRefused)->description(help_of(flag));
}

Result<void> refuse_unavailable_flags(const CLI::App& app) {
  for (const SglangFlag& flag : kRefusedFlags) {
    const CLI::Option& option = *app.get_option(first_name(flag));
    if (is_asked_for(option) && !has_word(flag.fine, option.results().back()))
      return refusal(flag, option);
  }
  return {};
}

void warn_of_flags_without_effect(const CLI::App& app) {
  std::string names;
  for (const SglangFlag& flag : kFlagsWithoutEffect) {
    if (is_asked_for(*app.get_option(first_name(flag))))
      names += cat(names.empty() ? "" : " ", first_name(flag));
  }
  if (!names.empty()) log_warning("flags without effect here", {{"flags", names}});
  note_environment();
}

}  // namespace glint
