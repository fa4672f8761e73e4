#pragma once

// How much load a server takes within a latency goal: closed loops of more and more requests in
// flight, then between the last that met the goal and the first that did not.

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "bench/serving/request_record.h"
#include "bench/serving/result_summary.h"

namespace glint {

// Milliseconds that a request may take; what is not set may take any time.
struct LatencyGoal {
  std::optional<double> ttft_ms{}, tpot_ms{}, e2e_ms{};
};

// "ttft:200", "tpot:30", "e2e:5000" (also "e2el", as vLLM writes it). At least one.
Result<LatencyGoal> parse_goal(std::span<const std::string> typed);
std::string goal_text(const LatencyGoal& goal);

// A failed request does not meet any goal.
bool meets(const RequestRecord& record, const LatencyGoal& goal);
double share_that_meets(std::span<const RequestRecord> records, const LatencyGoal& goal);

// Which number of requests in flight to try next: doubled until one fails the goal or `most` is
// reached, then halving the gap until it is at most an eighth of what met it.
class SweepSearch {
 public:
  SweepSearch(int least, int most) : next_(least), most_(most) {}

  std::optional<int> next() const { return next_; }
  void add(int num_in_flight, bool met);

 private:
  std::optional<int> next_;
  int most_;
  int met_ = 0;                  // the largest that did
  std::optional<int> failed_{};  // the smallest that did not
};

struct SweepPoint {
  int num_in_flight = 0;
  ResultSummary summary{};
  double share_met = 0;  // of the requests
  bool met = false;      // enough of them

  double goodput() const { return share_met * summary.request_throughput; }  // requests a second
};

// Markdown, by requests in flight; then a sentence with the highest rate that met the goal.
std::string sweep_report(std::vector<SweepPoint> points, const LatencyGoal& goal,
                         double share_wanted);
// If no point met the goal, an Error with what was measured at the lowest load.
Result<void> check_met(std::span<const SweepPoint> points, const LatencyGoal& goal,
                       double share_wanted);

}  // namespace glint
