#include "bench/serving/serving_metrics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace glint {
namespace {

// Of sorted values; `share` from 0 to 1.
double percentile(const std::vector<double>& sorted, double share) {
  const double at = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(at);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

struct Values {
  std::vector<double> e2e_s{}, ttft_s{}, tpot_s{}, itl_s{};
};

Values values_of(std::span<const RequestRecord> records) {
  Values values;
  for (const RequestRecord& record : records) {
    if (!record.ok()) continue;
    values.e2e_s.push_back(record.latency_s());
    values.ttft_s.push_back(record.ttft_s());
    if (record.output_len > 1) values.tpot_s.push_back(record.tpot_s());
    const std::vector<double> gaps = inter_token_latencies_s(record);
    values.itl_s.insert(values.itl_s.end(), gaps.begin(), gaps.end());
  }
  return values;
}

// Tokens and open requests of each second since the first start. As SGLang counts: what came with
// the first event is one token, and a request belongs to each second that it touches.
class Seconds {
 public:
  Seconds(double begin_s, double end_s)
      : begin_s_(begin_s),
        tokens_(static_cast<size_t>(std::ceil(end_s - begin_s)) + 1),
        open_(tokens_.size()) {}

  void add(const RequestRecord& record) {
    double time_s = record.start_s + record.ttft_s();
    ++tokens_[second(time_s)];
    for (const double gap_s : inter_token_latencies_s(record)) ++tokens_[second(time_s += gap_s)];
    for (size_t i = second(record.start_s); i <= second(record.end_s); ++i) ++open_[i];
  }
  const std::vector<int64_t>& tokens() const { return tokens_; }
  int64_t most_tokens() const { return *std::max_element(tokens_.begin(), tokens_.end()); }
  int64_t most_open() const { return *std::max_element(open_.begin(), open_.end()); }

 private:
  size_t second(double time_s) const {
    return std::min(static_cast<size_t>(std::max(time_s - begin_s_, 0.0)), tokens_.size() - 1);
  }

  double begin_s_;
  std::vector<int64_t> tokens_, open_;
};

void add_seconds(std::span<const RequestRecord> records, ServingMetrics& metrics) {
  double begin_s = INFINITY, end_s = -INFINITY;
  for (const RequestRecord& record : records) {
    if (!record.ok()) continue;
    begin_s = std::min(begin_s, record.start_s);
    end_s = std::max(end_s, record.end_s);
  }
  if (begin_s > end_s) return;
  Seconds seconds(begin_s, end_s);
  for (const RequestRecord& record : records)
    if (record.ok()) seconds.add(record);
  metrics.tokens_per_second = seconds.tokens();
  metrics.max_output_tokens_per_s = static_cast<double>(seconds.most_tokens());
  metrics.max_concurrent_requests = static_cast<int>(seconds.most_open());
}

}  // namespace

Spread spread_ms(std::vector<double> seconds) {
  if (seconds.empty()) return {};
  std::sort(seconds.begin(), seconds.end());
  const auto count = static_cast<double>(seconds.size());
  const double mean = std::accumulate(seconds.begin(), seconds.end(), 0.0) / count;
  double squares = 0;
  for (const double value : seconds) squares += (value - mean) * (value - mean);
  return {.mean = 1e3 * mean,
          .median = 1e3 * percentile(seconds, 0.5),
          .std = 1e3 * std::sqrt(squares / count),
          .p90 = 1e3 * percentile(seconds, 0.9),
          .p95 = 1e3 * percentile(seconds, 0.95),
          .p99 = 1e3 * percentile(seconds, 0.99),
          .max = 1e3 * seconds.back()};
}

ServingMetrics serving_metrics(std::span<const RequestRecord> records, double duration_s) {
  ServingMetrics metrics{.duration_s = duration_s};
  for (const RequestRecord& record : records) {
    if (!record.ok()) continue;
    ++metrics.completed;
    metrics.total_input += record.prompt_len;
    metrics.total_output += record.output_len;
    metrics.concurrency += record.latency_s() / duration_s;
  }
  const auto input = static_cast<double>(metrics.total_input);
  const auto output = static_cast<double>(metrics.total_output);
  metrics.request_throughput = static_cast<double>(metrics.completed) / duration_s;
  metrics.input_throughput = input / duration_s;
  metrics.output_throughput = output / duration_s;
  metrics.total_throughput = (input + output) / duration_s;
  Values values = values_of(records);
  metrics.e2e = spread_ms(std::move(values.e2e_s));
  metrics.ttft = spread_ms(std::move(values.ttft_s));
  metrics.tpot = spread_ms(std::move(values.tpot_s));
  metrics.itl = spread_ms(std::move(values.itl_s));
  add_seconds(records, metrics);
  return metrics;
}

}  // namespace glint
