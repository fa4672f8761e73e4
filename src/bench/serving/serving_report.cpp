#include "bench/serving/serving_report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <initializer_list>

namespace glint {
namespace {

constexpr size_t kWidth = 50;
constexpr double kBusyClient = 0.8;  // of a core: then the client may be the limit

template <typename... Args>
std::string format(const char* pattern, Args... args) {
  char text[512];
  std::snprintf(text, sizeof text, pattern, args...);
  return text;
}

// Centred as Python's format() does: the odd one to the right.
std::string centred(std::string_view text, char fill) {
  const size_t left = (kWidth - text.size()) / 2;
  return std::string(left, fill) + std::string(text) +
         std::string(kWidth - text.size() - left, fill) + "\n";
}

std::string row(const char* label, const std::string& value) {
  return format("%-40s %-10s\n", label, value.c_str());
}
std::string row(const char* label, int64_t value) { return row(label, std::to_string(value)); }
std::string row(const char* label, double value) { return row(label, format("%.2f", value)); }

// As Python prints a float.
std::string rate_text(double rate) { return std::isinf(rate) ? "inf" : python_float(rate); }

std::string head_rows(const ServingReport& report) {
  const ServingOptions& o = report.options;
  const ServingMetrics& m = report.metrics;
  std::string text = row("Backend:", std::string(o.format.backend->name));
  text += row("Traffic request rate:", rate_text(o.request_rate));
  text += row("Max request concurrency:",
              o.max_concurrency > 0 ? std::to_string(o.max_concurrency) : "not set");
  text += row("Successful requests:", m.completed);
  text += row("Benchmark duration (s):", m.duration_s);
  text += row("Total input tokens:", m.total_input);
  text += row("Total input text tokens:", m.total_input);
  text += row("Total generated tokens:", m.total_output);
  text += row("Total generated tokens (retokenized):",
              m.total_output_retokenized ? std::to_string(*m.total_output_retokenized) : "n/a");
  return text;
}

std::string throughput_rows(const ServingMetrics& m) {
  std::string text = row("Request throughput (req/s):", m.request_throughput);
  text += row("Input token throughput (tok/s):", m.input_throughput);
  text += row("Output token throughput (tok/s):", m.output_throughput);
  text += row("Peak output token throughput (tok/s):", m.max_output_tokens_per_s);
  text += row("Peak concurrent requests:", int64_t{m.max_concurrent_requests});
  text += row("Total token throughput (tok/s):", m.total_throughput);
  text += row("Concurrency:", m.concurrency);
  if (m.accept_length.value_or(0) != 0) text += row("Accept length:", *m.accept_length);
  return text;
}

std::string latency_rows(const ServingMetrics& m) {
  std::string text = centred("End-to-End Latency", '-');
  text += row("Mean E2E Latency (ms):", m.e2e.mean);
  text += row("Median E2E Latency (ms):", m.e2e.median);
  text += row("P90 E2E Latency (ms):", m.e2e.p90);
  text += row("P99 E2E Latency (ms):", m.e2e.p99);
  text += centred("Time to First Token", '-');
  text += row("Mean TTFT (ms):", m.ttft.mean);
  text += row("Median TTFT (ms):", m.ttft.median);
  text += row("P99 TTFT (ms):", m.ttft.p99);
  text += centred("Time per Output Token (excl. 1st token)", '-');
  text += row("Mean TPOT (ms):", m.tpot.mean);
  text += row("Median TPOT (ms):", m.tpot.median);
  text += row("P99 TPOT (ms):", m.tpot.p99);
  text += centred("Inter-Token Latency", '-');
  text += row("Mean ITL (ms):", m.itl.mean);
  text += row("Median ITL (ms):", m.itl.median);
  text += row("P95 ITL (ms):", m.itl.p95);
  text += row("P99 ITL (ms):", m.itl.p99);
  text += row("Max ITL (ms):", m.itl.max);
  return text;
}

struct CachedTokens {
  int64_t prompt = 0, cached = 0;

  double share() const {
    return static_cast<double>(cached) / static_cast<double>(std::max<int64_t>(prompt, 1));
  }
};

// Of the server's own count where it says one: a text's tokens are not always as many as were
// asked.
CachedTokens cached_tokens(const ServingReport& report) {
  CachedTokens sum;
  for (const RequestRecord& record : report.records) {
    if (!record.ok()) continue;
    sum.cached += record.cached_tokens;
    sum.prompt += record.server_prompt_len > 0 ? record.server_prompt_len : record.prompt_len;
  }
  return sum;
}

// As newer versions of SGLang print it, without the tiers of its cache.
std::string cache_rows(const ServingReport& report) {
  if (!report.options.cache_report) return "";
  const CachedTokens tokens = cached_tokens(report);
  return centred("Cache Hit Details", '-') + row("Total prompt tokens:", tokens.prompt) +
         row("Total cached tokens:", tokens.cached) +
         format("%-40s %.1f%%\n", "Cache hit rate:", 100 * tokens.share());
}

std::string client_line(const ServingReport& report) {
  const ClientCost& cost = report.cost;
  const double share = cost.cpu_s / report.metrics.duration_s;
  const auto events = static_cast<double>(std::max<int64_t>(cost.num_events, 1));
  return format(
      "client: %.0f %% of one core, %.1f us for each of %lld events; its timers woke %.2f ms late "
      "on average, %.1f ms at most%s\n",
      100 * share, 1e6 * cost.cpu_s / events, static_cast<long long>(cost.num_events),
      cost.mean_late_ms, cost.max_late_ms,
      share > kBusyClient ? ". It may have been the limit" : "");
}

std::string cached_line(const ServingReport& report) {
  const CachedTokens tokens = cached_tokens(report);
  if (tokens.cached == 0) return "";
  return format("prefix cache: held %.0f %% of the prompts' tokens\n", 100 * tokens.share());
}

// Three digits at least, as 9.00, 20.5 and 1270.
std::string ms_text(double ms) { return format("%.*f", ms < 10 ? 2 : ms < 100 ? 1 : 0, ms); }

std::string step_text(const char* what, const StepCounts& steps, double duration_s) {
  if (steps.steps == 0) return format("no step %s", what);
  const bool is_one = steps.steps == 1;
  std::string text = is_one ? format("1 step %s, %s ms", what, ms_text(1e3 * steps.seconds).c_str())
                            : format("%.0f steps %s, %s ms each", steps.steps, what,
                                     ms_text(1e3 * steps.seconds / steps.steps).c_str());
  text += format(" (%.0f %% of the time), %.1f rows decoded", 100 * steps.seconds / duration_s,
                 steps.decode_rows / steps.steps);
  if (steps.prompt_tokens > 0)
    text += format(" and %.0f prompt tokens", steps.prompt_tokens / steps.steps);
  return text;
}

std::string step_lines(const ServingReport& report) {
  if (!report.server_counts) return "";
  const ServerCounts& counts = *report.server_counts;
  const double duration_s = report.metrics.duration_s;
  std::string text = "server: " + step_text("that only decode", counts.decode, duration_s) + "\n";
  text += "        " + step_text("with parts of prompts", counts.prompt, duration_s) + "\n";
  if (counts.retractions > 0)
    text += format("        %.0f request%s sent back for lack of KV pages\n", counts.retractions,
                   counts.retractions == 1 ? "" : "s");
  return text;
}

// Where the end of text is to be ignored, an answer that is too short makes the server look fast.
std::string short_line(const ServingReport& report) {
  if (!report.options.format.ignore_eos) return "";
  const auto count = std::ranges::count_if(
      report.records, [](auto& r) { return r.ok() && r.output_len < r.asked_len; });
  return count == 0 ? ""
                    : cat("short: ", count, count == 1 ? " answer has" : " answers have",
                          " fewer tokens than were asked\n");
}

std::string failure_line(const ServingReport& report) {
  FailedRequests failed;
  failed.add(report.records);
  if (failed.count == 0) return "";
  return cat("failed: ", failed.share_text(), "; the first: ", failed.first_error, "\n");
}

using NamedValues = std::initializer_list<std::pair<const char*, double>>;

void add_spread(const std::string& name, const Spread& spread, NamedValues more, Json& result) {
  const auto add = [&](const char* what, double value) {
    result[cat(what, "_", name, "_ms")] = value;
  };
  add("mean", spread.mean);
  add("median", spread.median);
  add("std", spread.std);
  for (const auto& [what, value] : more) add(what, value);
}

template <typename T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

void add_arguments(const ServingOptions& o, Json& result) {
  const DatasetOptions& d = o.dataset;
  result["tag"] = o.tag.empty() ? Json(nullptr) : Json(o.tag);
  result["backend"] = o.format.backend->name;
  result["dataset_name"] = d.name;
  result["request_rate"] = o.request_rate;
  result["max_concurrency"] = o.max_concurrency > 0 ? Json(o.max_concurrency) : Json(nullptr);
  result["sharegpt_output_len"] =
      d.sharegpt_output_len > 0 ? Json(d.sharegpt_output_len) : Json(nullptr);
  result["random_input_len"] = d.random_input_len;
  result["random_output_len"] = d.random_output_len;
  result["random_range_ratio"] = d.random_range_ratio;
}

void add_metrics(const ServingMetrics& m, Json& result) {
  result["duration"] = m.duration_s;
  result["completed"] = m.completed;
  result["total_input_tokens"] = m.total_input;
  result["total_input_text_tokens"] = m.total_input;
  result["total_input_vision_tokens"] = 0;
  result["total_output_tokens"] = m.total_output;
  result["total_output_tokens_retokenized"] = or_null(m.total_output_retokenized);
  result["request_throughput"] = m.request_throughput;
  result["input_throughput"] = m.input_throughput;
  result["output_throughput"] = m.output_throughput;
  result["total_throughput"] = m.total_throughput;
  add_spread("e2e_latency", m.e2e, {{"p90", m.e2e.p90}, {"p99", m.e2e.p99}}, result);
  add_spread("ttft", m.ttft, {{"p99", m.ttft.p99}}, result);
  add_spread("tpot", m.tpot, {{"p99", m.tpot.p99}}, result);
  add_spread("itl", m.itl, {{"p95", m.itl.p95}, {"p99", m.itl.p99}, {"max", m.itl.max}}, result);
  result["concurrency"] = m.concurrency;
  result["accept_length"] = or_null(m.accept_length);
  result["max_output_tokens_per_s"] = m.max_output_tokens_per_s;
  result["max_concurrent_requests"] = m.max_concurrent_requests;
}

void add_details(const std::vector<RequestRecord>& records, Json& result) {
  for (const char* key :
       {"input_lens", "output_lens", "ttfts", "itls", "generated_texts", "errors"})
    result[key] = Json::array();
  for (const RequestRecord& record : records) {
    result["input_lens"].push_back(record.prompt_len);
    result["output_lens"].push_back(record.output_len);
    result["ttfts"].push_back(record.ttft_s());
    result["itls"].push_back(inter_token_latencies_s(record));
    result["generated_texts"].push_back(record.text);
    result["errors"].push_back(record.error);
  }
}

// The tiers are those of SGLang's hierarchical cache.
void add_cache_report(const ServingReport& report, bool with_details, Json& result) {
  const CachedTokens tokens = cached_tokens(report);
  result["cache_report"] = {{"total_prompt_tokens", tokens.prompt},
                            {"total_cached_tokens", tokens.cached},
                            {"cache_hit_rate_pct", std::round(1e4 * tokens.share()) / 100},
                            {"device_cached_tokens", nullptr},
                            {"host_cached_tokens", nullptr},
                            {"storage_cached_tokens", nullptr},
                            {"storage_backend", nullptr}};
  if (!with_details) return;
  result["cached_tokens"] = Json::array();
  for (const RequestRecord& record : report.records)
    result["cached_tokens"].push_back(record.cached_tokens);
}

}  // namespace

std::string serving_table(const ServingReport& report) {
  return "\n" + centred(" Serving Benchmark Result ", '=') + head_rows(report) +
         throughput_rows(report.metrics) + latency_rows(report.metrics) + cache_rows(report) +
         centred("", '=');
}

std::string serving_footer(const ServingReport& report) {
  std::string text = client_line(report) + step_lines(report) + cached_line(report);
  for (const std::string& note : report.notes) text += note + "\n";
  return text + short_line(report) + failure_line(report);
}

void FailedRequests::add(const std::vector<RequestRecord>& records) {
  sent += records.size();
  for (const RequestRecord& record : records) {
    if (record.ok()) continue;
    if (count == 0) first_error = record.error;
    ++count;
  }
}

std::string FailedRequests::share_text() const {
  return cat(count, " of ", sent, sent == 1 ? " request" : " requests");
}

std::string FailedRequests::sentence() const {
  return cat(share_text(), " failed; the first: ", first_error);
}

std::string throughput_bars(const ServingMetrics& metrics) {
  constexpr size_t kMostBars = 50, kBarWidth = 40;
  const std::vector<int64_t>& counts = metrics.tokens_per_second;
  if (counts.empty()) return "";
  const size_t step = (counts.size() + kMostBars - 1) / kMostBars;
  const auto most = static_cast<double>(*std::ranges::max_element(counts));
  std::string text = "Output tokens per second\n";
  for (size_t second = 0; second < counts.size(); second += step) {
    const size_t end = std::min(second + step, counts.size());
    double mean = 0;
    for (size_t i = second; i < end; ++i)
      mean += static_cast<double>(counts[i]) / static_cast<double>(end - second);
    std::string bar(most > 0 ? static_cast<size_t>(kBarWidth * mean / most) : 0, '#');
    bar.resize(kBarWidth, ' ');
    text += format("%7zu s |%s| %.0f\n", second, bar.c_str(), mean);
  }
  return text;
}

Json serving_result(const ServingReport& report, bool with_details) {
  Json result = Json::object();
  add_arguments(report.options, result);
  result["server_info"] = report.server_info;
  add_metrics(report.metrics, result);
  if (report.options.cache_report) add_cache_report(report, with_details, result);
  if (with_details) add_details(report.records, result);
  return result;
}

std::string default_result_file(const ServingOptions& options, std::string_view matrix) {
  const DatasetOptions& d = options.dataset;
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  const std::string lengths =
      d.name.starts_with("random") ? cat(d.random_input_len, "_", d.random_output_len) : d.name;
  const std::string who_and_day =
      cat(options.format.backend->name, "_", format("%02d%02d", local.tm_mon + 1, local.tm_mday));
  if (!matrix.empty()) return cat(who_and_day, "_", matrix, ".jsonl");
  return cat(who_and_day, "_", d.num_prompts, "_", lengths, ".jsonl");
}

}  // namespace glint
