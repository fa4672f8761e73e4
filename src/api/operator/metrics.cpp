#include "api/operator/metrics.h"

#include <algorithm>
#include <sstream>
#include <string_view>

namespace glint {
namespace {

// A label value's backslashes, quotes and line breaks.
std::string escaped(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out;
}

class Exposition {
 public:
  explicit Exposition(std::string labels) : labels_(std::move(labels)) { out_.precision(15); }

  template <typename T>
  void gauge(std::string_view name, std::string_view help, T value) {
    sample(name, "gauge", help, value);
  }
  template <typename T>
  void counter(std::string_view name, std::string_view help, T value) {
    sample(name, "counter", help, value);
  }

  void histogram(std::string_view name, std::string_view help, const HistogramCounts& histogram) {
    head(name, "histogram", help);
    uint64_t count = 0;
    for (size_t i = 0; i <= histogram.bounds.size(); ++i) {
      count += histogram.counts[i];
      out_ << name << "_bucket{" << labels_ << ",le=\"";
      if (i < histogram.bounds.size()) {
        out_ << histogram.bounds[i];
      } else {
        out_ << "+Inf";
      }
      out_ << "\"} " << count << '\n';
    }
    out_ << name << "_sum{" << labels_ << "} " << histogram.sum << '\n';
    out_ << name << "_count{" << labels_ << "} " << count << '\n';
  }

  std::string text() const { return out_.str(); }

 private:
  void head(std::string_view name, std::string_view type, std::string_view help) {
    out_ << "# HELP " << name << ' ' << help << "\n# TYPE " << name << ' ' << type << '\n';
  }
  template <typename T>
  void sample(std::string_view name, std::string_view type, std::string_view help, T value) {
    head(name, type, help);
    out_ << name << '{' << labels_ << "} " << value << '\n';
  }

  std::string labels_;
  std::ostringstream out_;
};

double share(int64_t part, int64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

void step_metrics(const std::string& kind, const std::string& meaning, const StepTotals& steps,
                  Exposition& e) {
  const std::string name = "sglang:" + kind + "_steps";
  e.counter(name + "_total", "Steps " + meaning + ".", steps.steps);
  e.counter(name + "_seconds_total", "Time of the steps " + meaning + ".", steps.seconds);
  e.counter(name + "_decode_rows_total", "Tokens decoded in steps " + meaning + ".",
            steps.decode_rows);
  e.counter(name + "_prompt_tokens_total", "Prompt tokens computed in steps " + meaning + ".",
            steps.prompt_tokens);
}

std::string sglang_metrics(const MetricsInput& input, const std::string& labels) {
  const EngineStats& s = input.stats;
  Exposition e(labels);
  e.gauge("sglang:num_running_reqs", "Requests being computed.", s.num_running_requests);
  e.gauge("sglang:num_queue_reqs", "Requests waiting.", s.num_queued_requests);
  e.gauge("sglang:num_used_tokens", "KV rows held by running requests.", s.num_used_tokens);
  e.gauge("sglang:token_usage", "Share of the KV pool held by running requests.",
          share(s.num_used_tokens, s.max_total_tokens));
  e.gauge("sglang:max_total_num_tokens", "KV rows in the pool.", s.max_total_tokens);
  e.gauge("sglang:kv_evictable_tokens", "KV rows held by the prefix cache alone.",
          s.num_cached_tokens);
  e.gauge("sglang:kv_available_tokens", "KV rows that nothing holds.",
          s.num_free_pages * input.page_size);
  e.gauge("sglang:num_pages", "KV pages in the pool.", s.num_pages);
  e.gauge("sglang:num_free_pages", "KV pages that nothing holds.", s.num_free_pages);
  e.gauge("sglang:page_size", "KV rows in a page.", input.page_size);
  e.gauge("sglang:context_len", "Tokens of one request at most.", input.context_length);
  e.gauge("sglang:max_running_requests", "Requests in one step at most.",
          input.max_running_requests);
  e.gauge("sglang:gen_throughput", "Output tokens per second.", s.last_gen_throughput_tps);
  e.gauge("sglang:cache_hit_rate", "Share of all prompt tokens found in the prefix cache.",
          share(s.cached_tokens_total, s.prompt_tokens_total));
  e.counter("sglang:prompt_tokens_total", "Prompt tokens, cached ones included.",
            s.prompt_tokens_total);
  e.counter("sglang:generation_tokens_total", "Output tokens.", s.generation_tokens_total);
  e.counter("sglang:cached_tokens_total", "Prompt tokens found in the prefix cache.",
            s.cached_tokens_total);
  e.counter("sglang:num_requests_total", "Requests taken.", s.requests_total);
  e.counter("sglang:num_aborted_requests_total", "Requests cancelled.", s.aborted_requests_total);
  e.counter("sglang:num_retractions_total", "Requests sent back for lack of pages.",
            s.retractions_total);
  e.counter("sglang:evicted_tokens_total", "KV rows evicted from the prefix cache.",
            s.evicted_tokens_total);
  e.counter("sglang:steps_total", "Steps of the engine.", s.steps_total);
  step_metrics("decode", "that only decode", s.decode_steps, e);
  step_metrics("prompt", "with parts of prompts", s.prompt_steps, e);
  e.histogram("sglang:time_to_first_token_seconds", "From the request to its first token.",
              input.latency.time_to_first_token.read());
  e.histogram("sglang:inter_token_latency_seconds", "From a token to the next.",
              input.latency.inter_token.read());
  e.histogram("sglang:e2e_request_latency_seconds", "From the request to its last token.",
              input.latency.request.read());
  return e.text();
}

std::string vllm_metrics(const MetricsInput& input, const std::string& labels) {
  const EngineStats& s = input.stats;
  Exposition e(labels);
  e.gauge("vllm:num_requests_running", "Requests being computed.", s.num_running_requests);
  e.gauge("vllm:num_requests_waiting", "Requests waiting.", s.num_queued_requests);
  e.gauge("vllm:kv_cache_usage_perc", "Share of the KV pool held by running requests, 0 to 1.",
          share(s.num_used_tokens, s.max_total_tokens));
  e.counter("vllm:prompt_tokens_total", "Prompt tokens, cached ones included.",
            s.prompt_tokens_total);
  e.counter("vllm:generation_tokens_total", "Output tokens.", s.generation_tokens_total);
  e.counter("vllm:prefix_cache_queries_total", "Prompt tokens looked up in the prefix cache.",
            s.prompt_tokens_total);
  e.counter("vllm:prefix_cache_hits_total", "Prompt tokens found in the prefix cache.",
            s.cached_tokens_total);
  e.counter("vllm:num_preemptions_total", "Requests sent back for lack of pages.",
            s.retractions_total);
  e.histogram("vllm:time_to_first_token_seconds", "From the request to its first token.",
              input.latency.time_to_first_token.read());
  e.histogram("vllm:inter_token_latency_seconds", "From a token to the next.",
              input.latency.inter_token.read());
  e.histogram("vllm:e2e_request_latency_seconds", "From the request to its last token.",
              input.latency.request.read());
  return e.text();
}

}  // namespace

std::string metrics_text(const MetricsInput& input) {
  const std::string model = "model_name=\"" + escaped(input.model_name) + "\"";
  return sglang_metrics(input, model) + vllm_metrics(input, model + ",engine=\"0\"");
}

}  // namespace glint
