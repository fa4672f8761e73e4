#include "bench/op_report.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "bench/op_limits.h"

namespace glint {
namespace {

// What a step's ops take when each is started as in the table, and what they must take.
struct StepSum {
  StepSize size;
  double microseconds = 0, limit_microseconds = 0;
  OpCost cost;
};

std::vector<StepSum> step_sums(const OpBenchReport& report, const GpuLimits* limits) {
  std::vector<StepSum> sums;
  if (!report.is_whole_step) return sums;
  for (const OpResult& result : report.results) {
    const auto found = std::ranges::find_if(sums, [&](const StepSum& sum) {
      return sum.size.form == result.size.form && sum.size.rows == result.size.rows;
    });
    StepSum& sum = found == sums.end() ? sums.emplace_back() : *found;
    const int calls = result.calls_per_step;
    sum.size = result.size;
    sum.microseconds += calls * result.microseconds;
    sum.cost.bytes += calls * result.cost.bytes;
    sum.cost.flops += calls * result.cost.flops;
    if (limits != nullptr) sum.limit_microseconds += calls * limits->microseconds(result.cost);
  }
  return sums;
}

std::string form_name(const StepSize& size) {
  return size.form == StepForm::kDecode ? "decode" : "prefill";
}

std::string number(double value, int decimals) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  return text;
}

// Three digits and more, whatever the size.
std::string short_number(double value) {
  return number(value, value < 1 ? 3 : value < 10 ? 2 : value < 100 ? 1 : 0);
}

double rate(double amount, double microseconds) {  // per second
  return microseconds > 0 ? amount / microseconds * 1e6 : 0;
}

using Row = std::vector<std::string>;

// The first two columns are words.
std::string table(const std::vector<Row>& rows) {
  constexpr size_t kWords = 2;
  std::vector<size_t> widths(rows[0].size(), 3);
  for (const Row& row : rows)
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  std::string text;
  for (size_t r = 0; r < rows.size(); ++r) {
    for (size_t i = 0; i < rows[r].size(); ++i) {
      const std::string blanks(widths[i] - rows[r][i].size(), ' ');
      text += i < kWords ? "| " + rows[r][i] + blanks + " " : "| " + blanks + rows[r][i] + " ";
    }
    text += "|\n";
    if (r > 0) continue;
    for (size_t i = 0; i < widths.size(); ++i)
      text += i < kWords ? "|" + std::string(widths[i] + 2, '-')
                         : "|" + std::string(widths[i] + 1, '-') + ":";
    text += "|\n";
  }
  return text;
}

void add_share(Row& row, const GpuLimits* limits, double limit, double microseconds) {
  if (limits != nullptr) row.push_back(number(100 * limit / microseconds, 0));
}

std::string op_table(const OpBenchReport& report, const GpuLimits* limits) {
  std::vector<Row> rows = {{"op", "step", "rows", "us", "MB", "GB/s", "TFLOP/s"}};
  if (limits != nullptr) rows[0].push_back("% of limit");
  for (const OpResult& r : report.results) {
    Row row = {r.op->name(),
               form_name(r.size),
               std::to_string(r.size.rows),
               short_number(r.microseconds),
               short_number(r.cost.bytes / 1e6),
               number(rate(r.cost.bytes, r.microseconds) / 1e9, 0),
               r.cost.flops == 0 ? "-" : short_number(rate(r.cost.flops, r.microseconds) / 1e12)};
    if (limits != nullptr) add_share(row, limits, limits->microseconds(r.cost), r.microseconds);
    rows.push_back(std::move(row));
  }
  return table(rows);
}

std::string sum_table(const std::vector<StepSum>& sums, const GpuLimits* limits) {
  std::vector<Row> rows = {{"all ops", "step", "rows", "ms", "GB", "TFLOP"}};
  if (limits != nullptr) rows[0].insert(rows[0].end(), {"limit, ms", "% of limit"});
  for (const StepSum& sum : sums) {
    Row row = {"sum",
               form_name(sum.size),
               std::to_string(sum.size.rows),
               short_number(sum.microseconds / 1e3),
               short_number(sum.cost.bytes / 1e9),
               short_number(sum.cost.flops / 1e12)};
    if (limits != nullptr) row.push_back(short_number(sum.limit_microseconds / 1e3));
    add_share(row, limits, sum.limit_microseconds, sum.microseconds);
    rows.push_back(std::move(row));
  }
  return table(rows);
}

std::string notes(const OpBenchReport& report, const GpuLimits* limits) {
  std::string text =
      cat("us: host clock, median of batches; ",
          report.records ? "ops started by a recording, attention of prompts call by "
                           "call.\n"
                         : "ops started call by call, which is part of it.\n");
  text +=
      "Each op alone; weights, experts and KV rows are new to the caches at each call, activations "
      "are not.\n";
  if (limits != nullptr) {
    text += cat("Limit: the longer of bytes / ", number(limits->bytes_per_s / 1e12, 2),
                " TB/s and FLOPs / ", number(limits->flops_per_s / 1e12, 0),
                " TFLOP/s, measured on ", limits->gpu,
                ". An op that moves\nlittle but activations may exceed it: they lie in a cache.\n");
  }
  return text;
}

Json json_result(const OpResult& r, const GpuLimits* limits) {
  Json json = {{"op", r.op->op},
               {"use", r.op->use},
               {"step", form_name(r.size)},
               {"rows", r.size.rows},
               {"us", r.microseconds},
               {"bytes", r.cost.bytes},
               {"flops", r.cost.flops},
               {"gb_per_s", rate(r.cost.bytes, r.microseconds) / 1e9},
               {"tflop_per_s", rate(r.cost.flops, r.microseconds) / 1e12},
               {"calls_per_step", r.calls_per_step}};
  if (limits != nullptr) json["limit_us"] = limits->microseconds(r.cost);
  return json;
}

Json json_sum(const StepSum& sum, const GpuLimits* limits) {
  Json json = {{"step", form_name(sum.size)},
               {"rows", sum.size.rows},
               {"ms", sum.microseconds / 1e3},
               {"bytes", sum.cost.bytes},
               {"flops", sum.cost.flops}};
  if (limits != nullptr) json["limit_ms"] = sum.limit_microseconds / 1e3;
  return json;
}

}  // namespace

std::string op_report_text(const OpBenchReport& report) {
  const GpuLimits* limits = find_limits(report.gpu_name);
  const std::vector<StepSum> sums = step_sums(report, limits);
  std::string text = cat(report.device, "; decode rows attend to ", report.context, " rows\n\n");
  text += op_table(report, limits);
  if (!sums.empty()) text += "\n" + sum_table(sums, limits);
  text += "\n" + notes(report, limits);
  for (const std::string& sentence : report.left_out) text += "left out: " + sentence + "\n";
  return text;
}

std::string op_report_json(const OpBenchReport& report) {
  const GpuLimits* limits = find_limits(report.gpu_name);
  Json json = {{"device", report.device},    {"gpu", report.gpu_name}, {"context", report.context},
               {"recorded", report.records}, {"ops", Json::array()},   {"steps", Json::array()},
               {"left_out", report.left_out}};
  if (limits != nullptr) {
    json["limit"] = {{"bytes_per_s", limits->bytes_per_s}, {"flops_per_s", limits->flops_per_s}};
  }
  for (const OpResult& result : report.results) json["ops"].push_back(json_result(result, limits));
  for (const StepSum& sum : step_sums(report, limits))
    json["steps"].push_back(json_sum(sum, limits));
  return to_json_text(json);
}

}  // namespace glint
