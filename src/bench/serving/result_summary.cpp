#include "bench/serving/result_summary.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/file.h"

namespace glint {
namespace {

double number(const Json& object, const std::string& key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? found->get<double>() : 0;
}

std::string text(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::string name_of(const Json& result) {
  if (std::string tag = text(result, "tag"); !tag.empty()) return tag;
  std::string name = text(result, "dataset_name");
  if (name.starts_with("random"))
    name += cat(" ", number(result, "random_input_len"), "/", number(result, "random_output_len"));
  if (const double limit = number(result, "max_concurrency"); limit > 0) name += cat(" c", limit);
  if (const double rate = number(result, "request_rate"); rate > 0) name += cat(" ", rate, "/s");
  return name;
}

Spread spread_of(const Json& result, const std::string& name) {
  const auto value = [&](const char* what) { return number(result, cat(what, "_", name, "_ms")); };
  return {.mean = value("mean"),
          .median = value("median"),
          .std = value("std"),
          .p90 = value("p90"),
          .p95 = value("p95"),
          .p99 = value("p99"),
          .max = value("max")};
}

// The word at the front of `text` that Python writes for a number JSON does not have; or nothing.
std::string_view python_number(std::string_view text) {
  for (const std::string_view word : {"-Infinity", "Infinity", "NaN"})
    if (text.starts_with(word)) return word;
  return {};
}

// With null in place of such words, outside strings.
std::string without_infinities(std::string_view line) {
  std::string out;
  bool in_string = false;
  for (size_t i = 0; i < line.size(); ++i) {
    const std::string_view word = in_string ? "" : python_number(line.substr(i));
    if (!word.empty()) {
      out += "null";
      i += word.size() - 1;
      continue;
    }
    out += line[i];
    if (in_string && line[i] == '\\' && i + 1 < line.size()) {
      out += line[++i];
    } else if (line[i] == '"') {
      in_string = !in_string;
    }
  }
  return out;
}

template <typename... Args>
std::string format(const char* pattern, Args... args) {
  char out[256];
  std::snprintf(out, sizeof out, pattern, args...);
  return out;
}

constexpr const char* kComparisonHead =
    "| cell | | requests | s | req/s | out tok/s | peak tok/s | conc. | TTFT ms: mean, median, p99 "
    "| TPOT ms: "
    "mean, median, p99 | ITL ms: mean, p99 | E2E ms: mean |\n"
    "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n";

std::string comparison_row(const std::string& cell, const std::string& who,
                           const ResultSummary& r) {
  return format("| %s | %s | %lld | %.2f | %.2f | %.2f | %.0f | %.2f ", cell.c_str(), who.c_str(),
                static_cast<long long>(r.completed), r.duration_s, r.request_throughput,
                r.output_throughput, r.max_output_tokens_per_s, r.concurrency) +
         format("| %.2f / %.2f / %.2f | %.2f / %.2f / %.2f ", r.ttft.mean, r.ttft.median,
                r.ttft.p99, r.tpot.mean, r.tpot.median, r.tpot.p99) +
         format("| %.2f / %.2f | %.0f |\n", r.itl.mean, r.itl.p99, r.e2e.mean);
}

std::string ratio(double better, double than) {
  return than > 0 && better > 0 ? format("%.2f", better / than) : "-";
}

// Less time is better: the second's over the first's.
std::string ratios(const Spread& first, const Spread& second, bool with_median) {
  std::string out = ratio(second.mean, first.mean) + " / ";
  if (with_median) out += ratio(second.median, first.median) + " / ";
  return out + ratio(second.p99, first.p99);
}

std::string ratio_row(const ResultSummary& a, const ResultSummary& b) {
  return cat("| | ratio | | | ", ratio(a.request_throughput, b.request_throughput), " | ",
             ratio(a.output_throughput, b.output_throughput), " | ",
             ratio(a.max_output_tokens_per_s, b.max_output_tokens_per_s), " | | ",
             ratios(a.ttft, b.ttft, true), " | ", ratios(a.tpot, b.tpot, true), " | ",
             ratios(a.itl, b.itl, false), " | ", ratio(b.e2e.mean, a.e2e.mean), " |\n");
}

}  // namespace

ResultSummary summarize(const Json& result) {
  const auto count = [&](const char* key) { return std::llround(number(result, key)); };
  return {.name = name_of(result),
          .completed = count("completed"),
          .total_input = count("total_input_tokens"),
          .total_output = count("total_output_tokens"),
          .duration_s = number(result, "duration"),
          .request_throughput = number(result, "request_throughput"),
          .output_throughput = number(result, "output_throughput"),
          .total_throughput = number(result, "total_throughput"),
          .max_output_tokens_per_s = number(result, "max_output_tokens_per_s"),
          .concurrency = number(result, "concurrency"),
          .e2e = spread_of(result, "e2e_latency"),
          .ttft = spread_of(result, "ttft"),
          .tpot = spread_of(result, "tpot"),
          .itl = spread_of(result, "itl")};
}

Result<std::vector<Json>> read_results(const std::string& path) {
  std::ifstream file = open_file(path);
  if (!file) return Error{ErrorCode::kStartup, cat("Cannot read ", path, "."), {}};
  std::vector<Json> results;
  size_t number_of_line = 0;
  for (std::string line; std::getline(file, line);) {
    ++number_of_line;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    auto result = parse_json(without_infinities(line), {.max_bytes = size_t{4} << 30});
    if (!result || !result->is_object())
      return Error{ErrorCode::kStartup,
                   cat(path, " line ", number_of_line, ": expected a result of bench serving, ",
                       result ? "found no object." : result.error().message),
                   {}};
    results.push_back(*std::move(result));
  }
  if (!results.empty()) return results;
  return Error{ErrorCode::kStartup, cat(path, " has no result in it."), {}};
}

std::string comparison_table(const ResultSide& first, const ResultSide& second) {
  std::string table = kComparisonHead;
  for (const ResultSummary& a : first.results) {
    const auto b = std::find_if(second.results.rbegin(), second.results.rend(),
                                [&](const ResultSummary& other) { return other.name == a.name; });
    table += comparison_row(a.name, first.name, a);
    if (b == second.results.rend()) continue;
    table += comparison_row("", second.name, *b) + ratio_row(a, *b);
  }
  return table;
}

std::string figures_table(std::span<const ResultSummary> results) {
  std::string table =
      "| cell | requests | in / out tokens | wall s | conc. | out tok/s | total tok/s | TTFT | "
      "TPOT "
      "| ITL |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n";
  const auto latency = [](const Spread& spread) {
    return format("%.2f / %.2f / %.2f", spread.mean, spread.median, spread.p99);
  };
  for (const ResultSummary& r : results)
    table += format("| %s | %lld | %lld / %lld | %.2f | %.2f | %.1f | %.1f | ", r.name.c_str(),
                    static_cast<long long>(r.completed), static_cast<long long>(r.total_input),
                    static_cast<long long>(r.total_output), r.duration_s, r.concurrency,
                    r.output_throughput, r.total_throughput) +
             cat(latency(r.ttft), " | ", latency(r.tpot), " | ", latency(r.itl), " |\n");
  return table;
}

}  // namespace glint
