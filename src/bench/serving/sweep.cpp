#include "bench/serving/sweep.h"

#include <algorithm>
#include <cstdio>

#include "bench/serving/member_scan.h"

namespace glint {
namespace {

Error wrong_goal(const std::string& typed) {
  return {ErrorCode::kInvalidRequest,
          cat("--goodput: expected ttft:MS, tpot:MS or e2e:MS with a number above 0, found \"",
              typed, "\"."),
          {}};
}

std::optional<double>* limit_of(LatencyGoal& goal, std::string_view name) {
  if (name == "ttft") return &goal.ttft_ms;
  if (name == "tpot") return &goal.tpot_ms;
  if (name == "e2e" || name == "e2el") return &goal.e2e_ms;
  return nullptr;
}

template <typename... Args>
std::string format(const char* pattern, Args... args) {
  char text[256];
  std::snprintf(text, sizeof text, pattern, args...);
  return text;
}

std::string latency(const Spread& spread) {
  return format("%.2f / %.2f / %.2f", spread.mean, spread.median, spread.p99);
}

std::string point_row(const SweepPoint& point) {
  const ResultSummary& r = point.summary;
  return format("| %d | %lld | %.2f | %.1f | ", point.num_in_flight,
                static_cast<long long>(r.completed), r.request_throughput, r.output_throughput) +
         cat(latency(r.ttft), " | ", latency(r.tpot)) +
         format(" | %.1f | %.2f | %s |\n", 100 * point.share_met, point.goodput(),
                point.met ? "yes" : "no");
}

std::string conclusion(const std::vector<SweepPoint>& points, const std::string& goal) {
  const SweepPoint* best = nullptr;
  for (const SweepPoint& point : points) {
    const bool better =
        best == nullptr || point.summary.request_throughput > best->summary.request_throughput;
    if (point.met && better) best = &point;
  }
  if (best == nullptr) return cat("No load that was tried met ", goal, ".\n");
  return cat("The highest rate that met ", goal, ": ") +
         format("%.2f requests/s, %.1f output tokens/s, %d in flight.\n",
                best->summary.request_throughput, best->summary.output_throughput,
                best->num_in_flight);
}

std::string goal_and_share(const LatencyGoal& goal, double share_wanted) {
  return goal_text(goal) + format(" for %.4g %% of the requests", 100 * share_wanted);
}

}  // namespace

Result<LatencyGoal> parse_goal(std::span<const std::string> typed) {
  LatencyGoal goal;
  for (const std::string& one : typed) {
    const size_t colon = one.find(':');
    std::optional<double>* limit = limit_of(goal, one.substr(0, colon));
    if (limit == nullptr || colon == std::string::npos) return wrong_goal(one);
    *limit = number_value(one.substr(colon + 1));
    if (limit->value_or(0) <= 0) return wrong_goal(one);
  }
  if (typed.empty()) return wrong_goal("");
  return goal;
}

std::string goal_text(const LatencyGoal& goal) {
  std::string text;
  const auto add = [&](const char* name, const std::optional<double>& limit_ms) {
    if (limit_ms) text += cat(text.empty() ? "" : " and ", name, " <= ", *limit_ms, " ms");
  };
  add("TTFT", goal.ttft_ms);
  add("TPOT", goal.tpot_ms);
  add("E2E", goal.e2e_ms);
  return text;
}

bool meets(const RequestRecord& record, const LatencyGoal& goal) {
  const auto within = [](double seconds, const std::optional<double>& limit_ms) {
    return !limit_ms || 1e3 * seconds <= *limit_ms;
  };
  return record.ok() && within(record.ttft_s(), goal.ttft_ms) &&
         within(record.tpot_s(), goal.tpot_ms) && within(record.latency_s(), goal.e2e_ms);
}

double share_that_meets(std::span<const RequestRecord> records, const LatencyGoal& goal) {
  if (records.empty()) return 0;
  const auto met = std::ranges::count_if(records, [&](auto& r) { return meets(r, goal); });
  return static_cast<double>(met) / static_cast<double>(records.size());
}

void SweepSearch::add(int num_in_flight, bool met) {
  if (met) {
    met_ = std::max(met_, num_in_flight);
  } else {
    failed_ = std::min(failed_.value_or(num_in_flight), num_in_flight);
  }
  next_.reset();
  if (!failed_) {
    if (met_ < most_) next_ = std::min(2 * met_, most_);
    return;
  }
  const int gap = *failed_ - met_;
  if (met_ > 0 && gap > std::max(1, met_ / 8)) next_ = met_ + gap / 2;
}

std::string sweep_report(std::vector<SweepPoint> points, const LatencyGoal& goal,
                         double share_wanted) {
  std::ranges::sort(points, {}, &SweepPoint::num_in_flight);
  std::string text =
      "| in flight | requests | req/s | out tok/s | TTFT ms: mean, median, p99 | TPOT ms: mean, "
      "median, p99 | within goal, % | goodput, req/s | met |\n"
      "|---:|---:|---:|---:|---:|---:|---:|---:|---|\n";
  for (const SweepPoint& point : points) text += point_row(point);
  return text + "\n" + conclusion(points, goal_and_share(goal, share_wanted));
}

Result<void> check_met(std::span<const SweepPoint> points, const LatencyGoal& goal,
                       double share_wanted) {
  if (std::ranges::any_of(points, &SweepPoint::met)) return {};
  const SweepPoint& lowest = *std::ranges::min_element(points, {}, &SweepPoint::num_in_flight);
  return Error{
      ErrorCode::kInternal,
      cat("No load that was tried met ", goal_and_share(goal, share_wanted), ". With ",
          lowest.num_in_flight, " in flight ", format("%.1f", 100 * lowest.share_met),
          " % did: TTFT ", latency(lowest.summary.ttft), " ms, TPOT ", latency(lowest.summary.tpot),
          " ms, E2E ", latency(lowest.summary.e2e), " ms (mean / median / p99)."),
      {}};
}

}  // namespace glint
