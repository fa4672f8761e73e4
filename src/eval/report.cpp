#include <algorithm>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "eval/eval.h"

namespace glint {
namespace {

struct Count {
  size_t all = 0, correct = 0, invalid = 0;

  void add(const Judged& judged) {
    ++all;
    correct += judged.is_correct ? 1 : 0;
    invalid += judged.is_invalid ? 1 : 0;
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
  return static_cast<double>(report.completion_tokens) / std::max(report.latency_s, 1e-9);
}

template <typename... Args>
std::string line(const char* format, Args... args) {
  char text[256];
  std::snprintf(text, sizeof text, format, args...);
  return text;
}

}  // namespace

std::string report_text(const EvalReport& report) {
  const Totals counted = totals(report);
  std::string text = line("Accuracy: %.3f\n", counted.all.accuracy());
  text += line("Invalid: %.3f\n", Count::share(counted.all.invalid, counted.all.all));
  text += line("Latency: %.3f s\n", report.latency_s);
  text += line("Output throughput: %.3f token/s\n", throughput(report));
  for (const auto& [name, group] : counted.groups) {
    text += line("  %-20s %.3f (%zu of %zu)\n", name.c_str(), group.accuracy(), group.correct,
                 group.all);
  }
  return text;
}

std::string report_json(const EvalReport& report) {
  const Totals counted = totals(report);
  Json json = {{"task", report.task},
               {"accuracy", counted.all.accuracy()},
               {"invalid", Count::share(counted.all.invalid, counted.all.all)},
               {"questions", counted.all.all},
               {"latency_s", report.latency_s},
               {"output_throughput", throughput(report)}};
  for (const auto& [name, group] : counted.groups) {
    json["groups"][name] = {{"accuracy", group.accuracy()}, {"questions", group.all}};
  }
  for (const Judged& judged : report.answers) {
    json["answers"].push_back(
        {{"correct", judged.is_correct}, {"wanted", judged.wanted}, {"got", judged.got}});
  }
  return to_json_text(json);
}

}  // namespace glint
