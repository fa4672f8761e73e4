#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "eval/answers_file.h"
#include "eval/eval.h"

namespace glint {
namespace {

struct Count {
  size_t all = 0, correct = 0, invalid = 0, cut_off = 0;

  void add(const Judged& judged) {
    ++all;
    correct += judged.is_correct ? 1 : 0;
    invalid += judged.is_invalid ? 1 : 0;
    cut_off += judged.finish_reason == "length" ? 1 : 0;
  }
  static double share(size_t part, size_t all) {
    return all == 0 ? 0 : static_cast<double>(part) / static_cast<double>(all);
  }
  double accuracy() const { return share(correct, all); }
};

struct Totals {
  Count all;
  std::map<std::string, Count> groups;
};

Totals totals(const EvalReport& report) {
  Totals counted;
  for (const Judged& judged : report.answers) {
    counted.all.add(judged);
    if (!judged.group.empty()) counted.groups[judged.group].add(judged);
  }
  return counted;
}

double throughput(const EvalReport& report) {
  return static_cast<double>(report.completion_tokens()) / std::max(report.latency_s, 1e-9);
}

template <typename... Args>
std::string line(const char* format, Args... args) {
  char text[256];
  std::snprintf(text, sizeof text, format, args...);
  return text;
}

}  // namespace

double standard_error(size_t correct, size_t all) {
  if (all == 0) return 0;
  const double p = Count::share(correct, all);
  return std::sqrt(p * (1 - p) / static_cast<double>(all));
}

long EvalReport::completion_tokens() const {
  long sum = 0;
  for (const Judged& judged : answers) sum += judged.completion_tokens;
  return sum;
}

std::string report_text(const EvalReport& report) {
  const Totals counted = totals(report);
  const Count& all = counted.all;
  std::string text = line("Accuracy: %.3f\n", all.accuracy());
  text += line("Invalid: %.3f\n", Count::share(all.invalid, all.all));
  text += line("Latency: %.3f s\n", report.latency_s);
  text += line("Output throughput: %.3f token/s\n", throughput(report));
  text += line("Standard error: %.3f (%zu of %zu right)\n", standard_error(all.correct, all.all),
               all.correct, all.all);
  if (report.answers.size() < report.num_questions)
    text += line("Not asked: %zu\n", report.num_questions - report.answers.size());
  if (all.cut_off > 0) text += line("Cut off by a limit: %zu\n", all.cut_off);
  for (const auto& [name, group] : counted.groups) {
    text += line("  %-20s %.3f (%zu of %zu)\n", name.c_str(), group.accuracy(), group.correct,
                 group.all);
  }
  return text;
}

std::string report_json(const EvalReport& report) {
  const Totals counted = totals(report);
  const Count& all = counted.all;
  Json json = {{"task", report.task},
               {"model", report.model},
               {"accuracy", all.accuracy()},
               {"standard_error", standard_error(all.correct, all.all)},
               {"invalid", Count::share(all.invalid, all.all)},
               {"questions", all.all},
               {"not_asked", report.num_questions - report.answers.size()},
               {"cut_off", all.cut_off},
               {"latency_s", report.latency_s},
               {"output_throughput", throughput(report)}};
  for (const auto& [name, group] : counted.groups) {
    json["groups"][name] = {{"accuracy", group.accuracy()}, {"questions", group.all}};
  }
  for (const Judged& answer : report.answers) json["answers"].push_back(answer_json(answer));
  return to_json_text(json);
}

}  // namespace glint
