#include "api/operator/metrics.h"

#include <algorithm>

#include "api/operator/exposition.h"
#include "base/check.h"

namespace glint {
namespace {

constexpr size_t kUsualBytes = size_t{160} << 10;

double share(int64_t part, int64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

double gibibytes(int64_t bytes) { return static_cast<double>(bytes) / (1 << 30); }

double token_usage(const EngineStats& s) { return share(s.num_used_tokens, s.max_total_tokens); }

// ---- SGLang's names

void sglang_state(const MetricsInput& input, Exposition& e) {
  const EngineStats& s = input.stats;
  const int max_running = input.limits.max_running_requests;
  e.gauge("num_running_reqs", "Requests being computed.", s.num_running_requests);
  e.gauge("num_queue_reqs", "Requests waiting.", s.num_queued_requests);
  e.gauge("num_paused_reqs", "Running requests while generation is paused.",
          s.num_paused_requests());
  e.gauge("num_retracted_reqs", "Waiting requests that had started and gave way.",
          s.num_retracted_requests);
  e.gauge("num_used_tokens", "KV rows held by running requests.", s.num_used_tokens);
  e.gauge("kv_used_tokens", "KV rows held by running requests.", s.num_used_tokens);
  e.gauge("kv_evictable_tokens", "KV rows held by the prefix cache alone.", s.num_cached_tokens);
  e.gauge("kv_available_tokens", "KV rows that nothing holds.",
          s.num_free_pages * input.limits.page_size);
  e.gauge("token_usage", "Share of the KV pool held by running requests, 0 to 1.", token_usage(s));
  e.gauge("utilization", "The larger of token_usage and the share of request slots in use.",
          std::max(token_usage(s), share(s.num_running_requests, max_running)));
  e.gauge("gen_throughput", "Output tokens per second.", s.last_gen_throughput_tps);
  e.gauge("cache_hit_rate", "Share of all prompt tokens found in the prefix cache.",
          share(s.cached_tokens_total, s.prompt_tokens_total));
}

void sglang_facts(const MetricsInput& input, Exposition& e) {
  const SchedulerLimits& limits = input.limits;
  e.gauge("max_total_num_tokens", "KV rows in the pool.", input.stats.max_total_tokens);
  e.gauge("num_pages", "KV pages in the pool.", input.stats.num_pages);
  e.gauge("page_size", "KV rows in a page.", limits.page_size);
  e.family("cache_config_info", "gauge", "The KV pool, in labels.");
  e.sample("cache_config_info", 1,
           cat(",page_size=\"", limits.page_size, "\",num_pages=\"", input.stats.num_pages, "\""));
  e.gauge("context_len", "Tokens of one request at most.", limits.context_length);
  e.gauge("max_running_requests", "Requests in one step at most.", limits.max_running_requests);
  e.gauge("weight_memory_usage_gb", "Weights, in GiB.", gibibytes(input.memory.weights_bytes));
  e.gauge("kv_cache_memory_usage_gb", "KV pool, in GiB.", gibibytes(input.memory.kv_bytes));
  e.family("startup_time_seconds", "gauge", "What the start took.");
  e.sample("startup_time_seconds", input.startup.load_weights_s, ",phase=\"load_weight\"");
  e.sample("startup_time_seconds", input.startup.total_s, ",phase=\"e2e\"");
  e.gauge("engine_startup_time", "Seconds from the command until requests are served.",
          input.startup.total_s);
  e.gauge("engine_load_weights_time", "Seconds to load the weights.", input.startup.load_weights_s);
}

void sglang_requests(const RequestMetrics& m, Exposition& e) {
  e.counter("prompt_tokens_total", "Prompt tokens of requests that started, cached ones included.",
            m.prompt_tokens_total.load());
  e.counter("generation_tokens_total", "Output tokens sent.", m.generation_tokens_total.load());
  e.family("cached_tokens_total", "counter", "Prompt tokens found in the prefix cache.");
  e.sample("cached_tokens_total", m.cached_tokens_total.load(), ",cache_source=\"device\"");
  uint64_t num_ended = 0;
  for (const auto& ended : m.ended) num_ended += ended.load();
  e.counter("num_requests_total", "Requests that ended.", num_ended);
  e.counter("num_aborted_requests_total", "Of those, the ones that were broken off.",
            m.num_ended(FinishReason::kAbort));
}

void sglang_engine(const EngineStats& s, Exposition& e) {
  e.family("realtime_tokens_total", "counter", "Tokens, as steps end.");
  e.sample("realtime_tokens_total", s.decode_steps.prompt_tokens + s.prompt_steps.prompt_tokens,
           ",mode=\"prefill_compute\"");
  e.sample("realtime_tokens_total", s.cached_tokens_total, ",mode=\"prefill_cache\"");
  e.sample("realtime_tokens_total", s.generation_tokens_total, ",mode=\"decode\"");
  e.counter("num_retracted_input_tokens_total", "Prompt tokens of those.",
            s.retracted_prompt_tokens_total);
  e.counter("num_retracted_output_tokens_total", "Output tokens that those had.",
            s.retracted_output_tokens_total);
  e.counter("evicted_tokens_total", "KV rows evicted from the prefix cache.",
            s.evicted_tokens_total);
}

void sglang_histograms(const RequestMetrics& m, Exposition& e) {
  e.histogram("time_to_first_token_seconds", "From the request to its first token.",
              m.time_to_first_token.read());
  e.histogram("inter_token_latency_seconds", "From a token to the next.", m.inter_token.read());
  e.histogram("e2e_request_latency_seconds", "From the request to its end.", m.request.read());
  const HistogramCounts queue = m.queue.read();
  e.histogram("queue_time_seconds", "In the queue, before the first step.", queue);
  e.family("per_stage_req_latency_seconds", "histogram", "What each stage of a request took.");
  e.buckets("per_stage_req_latency_seconds", m.tokenize.read(), ",stage=\"tokenize\"");
  e.buckets("per_stage_req_latency_seconds", queue, ",stage=\"prefill_waiting\"");
  e.buckets("per_stage_req_latency_seconds", m.prefill.read(), ",stage=\"prefill_forward\"");
  e.buckets("per_stage_req_latency_seconds", m.decode.read(), ",stage=\"decode_forward\"");
  e.histogram("prompt_tokens_histogram", "Prompt tokens of a request.", m.prompt_tokens.read());
  e.histogram("generation_tokens_histogram", "Output tokens of a request.",
              m.generation_tokens.read());
  e.histogram("num_retractions", "How often a request was sent back.", m.retractions.read());
}

// ---- vLLM's names

void vllm_state(const MetricsInput& input, Exposition& e) {
  const EngineStats& s = input.stats;
  e.gauge("num_requests_running", "Requests being computed.", s.num_running_requests);
  e.gauge("num_requests_waiting", "Requests waiting.", s.num_queued_requests);
  e.gauge("kv_cache_usage_perc", "Share of the KV pool held by running requests, 0 to 1.",
          token_usage(s));
  e.gauge("gpu_cache_usage_perc", "The same under its older name.", token_usage(s));
  e.family("cache_config_info", "gauge", "The KV pool, in labels.");
  e.sample("cache_config_info", 1,
           cat(",block_size=\"", input.limits.page_size, "\",num_gpu_blocks=\"", s.num_pages,
               "\",cache_dtype=\"auto\",enable_prefix_caching=\"",
               input.limits.prefix_cache ? "True" : "False", "\""));
  e.family("engine_sleep_state", "gauge", "1 for the state that the engine is in.");
  e.sample("engine_sleep_state", 1, ",sleep_state=\"awake\"");
  e.sample("engine_sleep_state", 0, ",sleep_state=\"weights_offloaded\"");
  e.sample("engine_sleep_state", 0, ",sleep_state=\"discard_all\"");
}

void vllm_counters(const MetricsInput& input, Exposition& e) {
  const EngineStats& s = input.stats;
  const RequestMetrics& m = input.requests;
  e.counter("prompt_tokens_total", "Prompt tokens of requests that started, cached ones included.",
            m.prompt_tokens_total.load());
  e.counter("generation_tokens_total", "Output tokens sent.", m.generation_tokens_total.load());
  e.family("request_success_total", "counter", "Requests that ended, by how.");
  const auto ended = [&](FinishReason reason, std::string_view label) {
    e.sample("request_success_total", m.num_ended(reason), label);
  };
  ended(FinishReason::kStop, ",finished_reason=\"stop\"");
  ended(FinishReason::kLength, ",finished_reason=\"length\"");
  ended(FinishReason::kAbort, ",finished_reason=\"abort\"");
  ended(FinishReason::kError, ",finished_reason=\"error\"");
  e.counter("prefix_cache_queries_total", "Prompt tokens looked up in the prefix cache.",
            s.prompt_tokens_total);
  e.counter("prefix_cache_hits_total", "Prompt tokens found in the prefix cache.",
            s.cached_tokens_total);
  e.counter("num_preemptions_total", "Requests sent back for lack of pages.", s.retractions_total);
}

void vllm_histograms(const MetricsInput& input, Exposition& e) {
  const RequestMetrics& m = input.requests;
  const HistogramCounts inter_token = m.inter_token.read();
  e.histogram("time_to_first_token_seconds", "From the request to its first token.",
              m.time_to_first_token.read());
  e.histogram("inter_token_latency_seconds", "From a token to the next.", inter_token);
  e.histogram("time_per_output_token_seconds", "The same under its older name.", inter_token);
  e.histogram("e2e_request_latency_seconds", "From the request to its end.", m.request.read());
  e.histogram("request_queue_time_seconds", "In the queue, before the first step.", m.queue.read());
  e.histogram("request_prefill_time_seconds", "From the first step to the first token.",
              m.prefill.read());
  e.histogram("request_decode_time_seconds", "From the first token to the last.", m.decode.read());
  e.histogram("request_inference_time_seconds", "From the first step to the last token.",
              m.inference.read());
  e.histogram("request_prompt_tokens", "Prompt tokens of a request.", m.prompt_tokens.read());
  e.histogram("request_generation_tokens", "Output tokens of a request.",
              m.generation_tokens.read());
  e.histogram("request_max_num_generation_tokens", "Output tokens of a prompt's longest choice.",
              m.longest_choice_tokens.read());
  e.histogram("request_params_n", "Choices asked for.", m.num_choices.read());
  e.histogram("request_params_max_tokens", "Output tokens asked for at most.", m.max_tokens.read());
  e.histogram("iteration_tokens_total", "Tokens computed in a step.", input.stats.step_tokens);
}

// ---- our own, for what neither has a name

void step_metrics(const std::string& kind, const std::string& meaning, const StepTotals& steps,
                  Exposition& e) {
  const std::string name = kind + "_steps";
  e.counter(name + "_total", "Steps " + meaning + ".", steps.steps);
  e.counter(name + "_seconds_total", "Time of the steps " + meaning + ".", steps.seconds);
  e.counter(name + "_decode_rows_total", "Tokens decoded in steps " + meaning + ".",
            steps.decode_rows);
  e.counter(name + "_prompt_tokens_total", "Prompt tokens computed in steps " + meaning + ".",
            steps.prompt_tokens);
}

void own_metrics(const EngineStats& s, Exposition& e) {
  e.gauge("free_pages", "KV pages that nothing holds.", s.num_free_pages);
  e.counter("retractions_total", "Requests sent back for lack of pages.", s.retractions_total);
  e.counter("steps_total", "Steps of the engine.", s.steps_total);
  step_metrics("decode", "that only decode", s.decode_steps, e);
  step_metrics("prompt", "with parts of prompts", s.prompt_steps, e);
}

}  // namespace

std::string metrics_text(const MetricsInput& input) {
  std::string out;
  out.reserve(kUsualBytes);
  const std::string model = "model_name=\"" + escaped_label(input.model_name) + "\"";
  // One process on one device: the only rank of each kind.
  const std::string ranks = ",engine_type=\"unified\",tp_rank=\"0\",pp_rank=\"0\",dp_rank=\"0\"";
  const std::string sglang_labels = model + ranks;
  Exposition sglang(out, "sglang:", sglang_labels);
  sglang_state(input, sglang);
  sglang_facts(input, sglang);
  sglang_requests(input.requests, sglang);
  sglang_engine(input.stats, sglang);
  sglang_histograms(input.requests, sglang);
  const std::string vllm_labels = model + ",engine=\"0\"";
  Exposition vllm(out, "vllm:", vllm_labels);
  vllm_state(input, vllm);
  vllm_counters(input, vllm);
  vllm_histograms(input, vllm);
  Exposition own(out, "glint_", model);
  own_metrics(input.stats, own);
  return out;
}

}  // namespace glint
