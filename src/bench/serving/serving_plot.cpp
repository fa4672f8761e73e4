#include "bench/serving/serving_plot.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "bench/serving/chart.h"
#include "bench/serving/serving_report.h"

namespace glint {
namespace {

constexpr int kQuantiles = 200;

constexpr const char* kStyle = R"(
:root { color-scheme: light dark; --back: #fff; --text: #1c1e21; --grid: #e3e5e8; --soft: #5c6168;
  --c0: #2166ac; --c1: #d6604d; --c2: #1b7837; --c3: #9970ab; --c4: #bf812d; --c5: #35978f;
  --c6: #c51b7d; --c7: #4d4d4d; --c8: #7f8c1f; }
@media (prefers-color-scheme: dark) {
  :root { --back: #16181b; --text: #e8e9eb; --grid: #33373c; --soft: #a3a8ae;
    --c0: #74aee8; --c1: #f4a582; --c2: #7fbf7b; --c3: #c2a5cf; --c4: #dfc27d; --c5: #80cdc1;
    --c6: #f1a3cf; --c7: #bababa; --c8: #c9d36b; } }
body { background: var(--back); color: var(--text); font: 15px/1.5 system-ui, sans-serif;
  margin: 2rem auto; max-width: 1200px; padding: 0 1rem; }
h1 { font-size: 1.4rem; overflow-wrap: anywhere; }
.charts { display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fit, minmax(min(420px, 100%), 1fr)); }
svg { width: 100%; height: auto; font: 11px system-ui, sans-serif; }
svg text { fill: var(--soft); }
svg text.title { fill: var(--text); font-size: 14px; font-weight: 600; }
/* A chart is scaled with all that is in it: where it gets small its text must not. */
@media (max-width: 480px) { svg { font-size: 15px; } svg text.title { font-size: 18px; } }
.grid { stroke: var(--grid); }
polyline { fill: none; stroke-width: 2; stroke-linejoin: round; }
.legend span { display: inline-block; margin-right: 1.2rem; }
.legend svg { display: inline; width: 1.6rem; height: .8rem; margin-right: .4rem; }
.table { overflow-x: auto; margin-top: 1.5rem; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--grid); text-align: right;
  white-space: nowrap; }
th[rowspan]:first-child, td:first-child { text-align: left; }
th[colspan] { text-align: center; }
)";

std::string color_rules() {
  std::string css;
  for (int i = 0; i < 9; ++i)
    css += cat("polyline.s", i, " { stroke: var(--c", i, "); } circle.s", i, " { fill: var(--c", i,
               "); }\n");
  return css;
}

std::vector<double> quantiles_ms(std::vector<double> seconds) {
  std::vector<double> quantiles;
  if (seconds.empty()) return quantiles;
  std::sort(seconds.begin(), seconds.end());
  for (size_t i = 0; i <= kQuantiles; ++i)
    quantiles.push_back(1e3 * seconds[i * (seconds.size() - 1) / kQuantiles]);
  return quantiles;
}

Chart latency_chart(std::span<const PlotRun> runs, const std::string& name,
                    Spread ResultSummary::*spread, bool is_sweep) {
  Chart chart{.title = name + " against throughput",
              .x_label = "output tokens a second",
              .y_label = "median " + name + ", ms"};
  ChartLine joined{.name = "all runs", .color = 7};
  for (size_t i = 0; i < runs.size(); ++i) {
    const ResultSummary& summary = runs[i].summary;
    const Point point(summary.output_throughput, (summary.*spread).median);
    joined.points.push_back(point);
    chart.lines.push_back({summary.name, static_cast<int>(i), {point}, true});
  }
  if (is_sweep) chart.lines.insert(chart.lines.begin(), joined);
  return chart;
}

Chart distribution_chart(std::span<const PlotRun> runs, const std::string& name,
                         std::vector<double> PlotRun::*quantiles) {
  Chart chart{.title = "Distribution of " + name,
              .x_label = name + ", ms (logarithmic)",
              .y_label = "share at most so long, %",
              .log_x = true};
  for (size_t i = 0; i < runs.size(); ++i) {
    ChartLine line{.name = runs[i].summary.name, .color = static_cast<int>(i)};
    const std::vector<double>& values = runs[i].*quantiles;
    for (size_t q = 0; q < values.size(); ++q)
      line.points.emplace_back(values[q], 100. * static_cast<double>(q) / kQuantiles);
    chart.lines.push_back(std::move(line));
  }
  return chart;
}

Chart time_chart(std::span<const PlotRun> runs) {
  Chart chart{.title = "Output tokens over time",
              .x_label = "seconds since the first request",
              .y_label = "tokens in that second"};
  for (size_t i = 0; i < runs.size(); ++i) {
    ChartLine line{.name = runs[i].summary.name, .color = static_cast<int>(i)};
    const std::vector<int64_t>& counts = runs[i].tokens_per_second;
    // The last of them is of the time after the last token.
    const size_t end = counts.size() - (!counts.empty() && counts.back() == 0 ? 1 : 0);
    for (size_t s = 0; s < end; ++s)
      line.points.emplace_back(static_cast<double>(s), static_cast<double>(counts[s]));
    chart.lines.push_back(std::move(line));
  }
  return chart;
}

std::string legend(std::span<const PlotRun> runs) {
  std::string html = "<p class=\"legend\">";
  for (size_t i = 0; i < runs.size(); ++i)
    html += cat("<span><svg viewBox=\"0 0 20 10\"><polyline class=\"s", i % 9,
                "\" points=\"0,5 20,5\"/></svg>", html_escaped(runs[i].summary.name), "</span>");
  return html + "</p>\n";
}

std::string cell(double value) {
  char text[48];
  std::snprintf(text, sizeof text, "<td>%.2f</td>", value);
  return text;
}

std::string figures(std::span<const PlotRun> runs) {
  std::string html = "<div class=\"table\"><table><tr>", below;
  for (const char* one : {"run", "requests", "s", "req/s", "out tok/s", "in flight"})
    html += cat("<th rowspan=\"2\">", one, "</th>");
  for (const char* three : {"TTFT, ms", "TPOT, ms", "ITL, ms"}) {
    html += cat("<th colspan=\"3\">", three, "</th>");
    below += "<th>mean</th><th>median</th><th>p99</th>";
  }
  html += cat("<th rowspan=\"2\">E2E mean, ms</th></tr>\n<tr>", below, "</tr>\n");
  for (const PlotRun& run : runs) {
    const ResultSummary& r = run.summary;
    html += cat("<tr><td>", html_escaped(r.name), "</td><td>", r.completed, "</td>");
    for (const double value :
         {r.duration_s, r.request_throughput, r.output_throughput, r.concurrency, r.ttft.mean,
          r.ttft.median, r.ttft.p99, r.tpot.mean, r.tpot.median, r.tpot.p99, r.itl.mean,
          r.itl.median, r.itl.p99, r.e2e.mean})
      html += cell(value);
    html += "</tr>\n";
  }
  return html + "</table></div>\n";
}

}  // namespace

PlotRun plot_run(const ServingReport& report) {
  std::vector<double> ttfts_s, itls_s;
  for (const RequestRecord& record : report.records) {
    if (!record.ok()) continue;
    ttfts_s.push_back(record.ttft_s());
    const std::vector<double> gaps = inter_token_latencies_s(record);
    itls_s.insert(itls_s.end(), gaps.begin(), gaps.end());
  }
  return {.summary = summarize(serving_result(report, /*with_details=*/false)),
          .ttft_quantiles_ms = quantiles_ms(std::move(ttfts_s)),
          .itl_quantiles_ms = quantiles_ms(std::move(itls_s)),
          .tokens_per_second = report.metrics.tokens_per_second,
          .load = report.options.max_concurrency > 0 ? report.options.max_concurrency
                                                     : report.options.request_rate};
}

std::string plot_html(std::span<const PlotRun> measured, std::string_view title, bool is_sweep) {
  std::vector<PlotRun> runs(measured.begin(), measured.end());
  if (is_sweep) std::ranges::stable_sort(runs, {}, &PlotRun::load);
  const std::string name = html_escaped(title);
  std::string html =
      cat("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width\">\n<title>",
          name, "</title>\n<style>", kStyle, color_rules(), "</style>\n</head>\n<body>\n<h1>", name,
          "</h1>\n", legend(runs), "<div class=\"charts\">\n");
  html += chart_svg(latency_chart(runs, "TPOT", &ResultSummary::tpot, is_sweep));
  html += chart_svg(latency_chart(runs, "TTFT", &ResultSummary::ttft, is_sweep));
  html += chart_svg(distribution_chart(runs, "TTFT", &PlotRun::ttft_quantiles_ms));
  html += chart_svg(distribution_chart(runs, "ITL", &PlotRun::itl_quantiles_ms));
  html += chart_svg(time_chart(runs));
  return html + "</div>\n" + figures(runs) + "</body>\n</html>\n";
}

}  // namespace glint
